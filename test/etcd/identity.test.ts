import { describe, expect, test } from 'vitest';
import { ClusterIdentity } from '../../registry/etcd/identity.js';

const PATIENCE_MS = 1_000;

describe('which cluster is ours', () => {
  test.each<[string, number, readonly string[], string]>([
    ['the first one that answers', 3, ['a=1', 'b=1', 'c=1'], 'ours'],
    ['not one that a single member of three names', 3, ['a=1', 'b=2', 'a=1', 'b=2'], 'another'],
    ['one that two of three name', 3, ['a=1', 'b=2', 'c=2'], 'new epoch'],
    ['one that the only member names', 1, ['a=1', 'a=2'], 'new epoch'],
    ['not one that one of two names', 2, ['a=1', 'b=2', 'b=2'], 'another'],
    ['not one that two members name each for itself', 3, ['a=1', 'b=2', 'c=3'], 'another'],
    ['ours again, when a member came back to it', 3, ['a=1', 'b=2', 'b=1', 'c=2'], 'another'],
  ])('is %s', (_name, size, answers, last) => {
    const identity = new ClusterIdentity(size, PATIENCE_MS);
    const verdicts = answers.map((answer) => {
      const [member = '', cluster = ''] = answer.split('=');
      return identity.judge(member, cluster);
    });
    expect(verdicts.at(-1)).toBe(last);
  });
});

describe('a revision below what was there when the read began', () => {
  test('is from the past at first, and a new epoch when it stays', () => {
    const identity = new ClusterIdentity(1, PATIENCE_MS);
    identity.saw(100);
    expect(identity.judgeRevision(7, 100, 0)).toBe('another');
    expect(identity.judgeRevision(8, 100, PATIENCE_MS - 1)).toBe('another');
    expect(identity.judgeRevision(9, 100, PATIENCE_MS)).toBe('new epoch');
    expect(identity.revision).toBe(9);
  });

  test('is forgotten when a newer one follows', () => {
    const identity = new ClusterIdentity(1, PATIENCE_MS);
    identity.saw(100);
    expect(identity.judgeRevision(7, 100, 0)).toBe('another');
    expect(identity.judgeRevision(101, 100, 500)).toBe('ours');
    expect(identity.judgeRevision(7, 101, PATIENCE_MS)).toBe('another');
  });

  test('does not count when the higher one was told meanwhile', () => {
    const identity = new ClusterIdentity(1, PATIENCE_MS);
    identity.saw(100);
    expect(identity.judgeRevision(99, 98, 0)).toBe('ours');
    expect(identity.revision).toBe(100);
  });
});
