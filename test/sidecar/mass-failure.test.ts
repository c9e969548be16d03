import { describe, expect, test } from 'vitest';
import { PilotfishError } from '../../runtime/errors.js';
import { isMassFailure, isSilence, type LocalService, Neighbours } from '../../sidecar/mass-failure.js';
import { type CheckResult, resultOf } from '../../sidecar/probes/probe.js';
import { type Verdict, verdictOf } from '../../sidecar/probes/verdict.js';

const silent = (port: number): LocalService => ({ port, isListed: true, isSilent: true });
const answering = (port: number): LocalService => ({ port, isListed: true, isSilent: false });
const down = (port: number): LocalService => ({ port, isListed: false, isSilent: true });

describe('a mass failure is', () => {
  test.each<[string, LocalService[], boolean]>([
    ['two services on two ports that fell silent', [silent(1), silent(2)], true],
    ['all of many', Array.from({ length: 50 }, (_, port) => silent(port)), true],
    ['all that are listed, whatever those that were down before', [silent(1), silent(2), down(3)], true],
    ['not one service alone', [silent(1)], false],
    ['not one beside others that were down before', [silent(1), down(2), down(3)], false],
    ['not two services on one port, which are one process', [silent(1), silent(1)], false],
    ['not when one of them answers, with whatever', [silent(1), silent(2), answering(3)], false],
    ['not when nothing is listed', [down(1), down(2)], false],
    ['not when there is no service', [], false],
  ])('%s', (_, services, expected) => {
    expect(isMassFailure(services)).toBe(expected);
  });
});

function errorOf(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('silence is', () => {
  test.each<[string, Verdict, boolean]>([
    ['a timeout', verdictOf(new PilotfishError('TIMEOUT', 'late')), true],
    ['a name that could not be looked up', verdictOf(errorOf('EAI_AGAIN')), true],
    ['a network that is not there', verdictOf(errorOf('ENETUNREACH')), true],
    ['a check that could not be made', verdictOf(errorOf('EMFILE')), true],
    ['not a refused port', verdictOf(errorOf('ECONNREFUSED')), false],
    [
      'not a port on which nobody listens',
      { status: 'failing', reason: '', failure: 'nobody-listens' },
      false,
    ],
    ['not a reset', verdictOf(errorOf('ECONNRESET')), false],
    ['not an error page', { status: 'failing', reason: 'status 500' }, false],
    ['not a success', { status: 'passing', reason: '' }, false],
    ['not a warning', { status: 'warning', reason: '' }, false],
  ])('%s', (_, verdict, expected) => {
    const result: CheckResult = resultOf(verdict, 1);
    expect(isSilence(result)).toBe(expected);
  });
});

test('neighbours know of each other until they leave', () => {
  const neighbours = new Neighbours();
  neighbours.join(() => silent(1));
  expect(neighbours.allFellSilent()).toBe(false);
  const leave = neighbours.join(() => silent(2));
  expect(neighbours.allFellSilent()).toBe(true);
  leave();
  expect(neighbours.allFellSilent()).toBe(false);
});
