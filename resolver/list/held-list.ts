/**
 * The list in use: what the registry says, and beside it what it has lost and what still answers. Decides nothing itself
 * (`hold.ts` does); it connects to what is held, waits for the end of each hold, and tells of the difference.
 */
import type { Snapshot } from '../../registry/contract.js';
import { diff, isEmptyChange, snapshotOf } from '../../registry/snapshot.js';
import { abortable, linkedAbort } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { Doorbell } from '../../runtime/doorbell.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { type Logger, silentLogger } from '../../runtime/logger.js';
import { jittered, type Random } from '../../runtime/random.js';
import type { ListChange } from '../merged.js';
import type { Answers } from './answers.js';
import {
  afterFailures,
  afterList,
  afterTime,
  type Held,
  type HoldRule,
  type HoldState,
  NOTHING_HELD,
  nextEndMs,
} from './hold.js';

export interface HoldPlan extends HoldRule {
  readonly answers: Answers;
}

export interface HeldListContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger | undefined;
  /** Undefined: the registry is believed at once. */
  readonly hold?: HoldPlan | undefined;
}

/** From one round of checks to the next, ± 20 %. */
const CHECK_EVERY_MS = 5_000;
const CHECK_JITTER = 0.2;
const PARALLEL_CHECKS = 64;
/** Failures within it change the list once. */
const GATHER_MS = 5;

export class HeldList {
  readonly #service: string;
  readonly #context: HeldListContext;
  readonly #logger: Logger;
  readonly #changes = new Emitter<ListChange>();
  readonly #bell = new Doorbell();
  readonly #stop = linkedAbort();
  readonly #failed = new Set<Held>();
  #state: HoldState = NOTHING_HELD;
  /** As the registry has it. */
  #listed: Snapshot | undefined;
  /** As it had it a moment before this process came, if that is known. */
  #listedBefore: Snapshot | undefined;
  /** As it is in use. */
  #snapshot: Snapshot | undefined;
  #cancelEnd: () => void = () => {};
  #cancelGather: (() => void) | undefined;
  readonly #patrol: Promise<void>;

  constructor(service: string, context: HeldListContext) {
    this.#service = service;
    this.#context = context;
    this.#logger = context.logger ?? silentLogger;
    this.#patrol = context.hold === undefined ? Promise.resolve() : this.#checkAgainAndAgain(context.hold);
  }

  /** Fires for the first list in use and for each that differs from the one before. */
  readonly onChange: Event<ListChange> = this.#changes.event;

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** True while what is in use is what the registry lists, no more and no less. */
  get isAsListed(): boolean {
    return this.#snapshot === this.#listed;
  }

  /** Those in use that the registry lists no more. */
  get held(): readonly Held[] {
    return [...this.#state.held.values()];
  }

  /**
   * Uses a list that is not from the registry, until it has one.
   *
   * @param isRecent Whether it counts as what the registry said before.
   */
  restore(snapshot: Snapshot, isRecent: boolean): void {
    if (isRecent) this.#listedBefore = snapshot;
    this.#use(snapshot);
  }

  /** @param inTrouble See `Step`. */
  accept(change: ListChange, inTrouble: boolean): void {
    const wasPlain = this.isAsListed;
    this.#review(change, inTrouble);
    this.#listed = change.snapshot;
    if (wasPlain && this.#state.held.size === 0) this.#tell(change);
    else this.#apply();
  }

  /** Ends the checks and the waits. The list stays as it is. */
  async close(): Promise<void> {
    this.#stop.abort('closed');
    this.#cancelEnd();
    this.#cancelGather?.();
    await this.#patrol;
  }

  #review({ removed, snapshot }: ListChange, inTrouble: boolean): void {
    const { hold, clock } = this.#context;
    const before = this.#listed ?? this.#listedBefore;
    if (hold === undefined || before === undefined) return;
    const step = {
      before: before.instances,
      after: snapshot.instances,
      removed: before === this.#listed ? removed : diff(before, snapshot).removed,
      nowMs: clock.now(),
      inTrouble,
    };
    this.#enter(afterList(this.#state, step, hold));
  }

  /** The registry's list and what is held beside it. */
  #apply(): void {
    const listed = this.#listed;
    if (listed === undefined) return;
    const held = this.held.map(({ instance }) => instance);
    const { revision, rejected } = listed;
    const instances = [...listed.instances, ...held];
    this.#use(held.length === 0 ? listed : snapshotOf(this.#service, instances, revision, rejected));
  }

  #use(snapshot: Snapshot): void {
    const change = diff(this.#snapshot, snapshot);
    if (this.#snapshot === undefined || !isEmptyChange(change)) this.#tell({ ...change, snapshot });
    else this.#snapshot = snapshot;
  }

  #tell(change: ListChange): void {
    this.#snapshot = change.snapshot;
    this.#changes.emit(change);
  }

  #enter(state: HoldState): void {
    const before = this.#state.held.size;
    const after = state.held.size;
    this.#state = state;
    this.#waitForEnd();
    if (after !== before) this.#bell.ring();
    if (before === 0 && after > 0) this.#logBegin();
    if (before > 0 && after === 0) {
      this.#logger.info({ service: this.#service }, 'the hold is over, using what the registry lists');
    }
  }

  #waitForEnd(): void {
    this.#cancelEnd();
    const { clock } = this.#context;
    const endMs = nextEndMs(this.#state);
    if (endMs === undefined) this.#cancelEnd = () => {};
    else
      this.#cancelEnd = clock.after(endMs - clock.now(), () =>
        this.#leave(afterTime(this.#state, clock.now())),
      );
  }

  #leave(state: HoldState): void {
    this.#enter(state);
    this.#apply();
  }

  async #checkAgainAndAgain({ answers }: HoldPlan): Promise<void> {
    const { clock, random } = this.#context;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const waitMs = this.#state.held.size === 0 ? Infinity : jittered(CHECK_EVERY_MS, CHECK_JITTER, random);
      await this.#bell.wait(clock, waitMs, signal);
      await this.#checkAll(answers, signal);
    }
  }

  async #checkAll(answers: Answers, signal: AbortSignal): Promise<void> {
    const queue = this.#state.held.values();
    const worker = async (): Promise<void> => {
      for (const each of queue) {
        if (signal.aborted) return;
        if (await fails(answers, each, signal)) this.#fail(each);
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL_CHECKS, this.#state.held.size) }, worker));
  }

  /** Absent and failing: there is nothing left to believe in. */
  #fail(held: Held): void {
    this.#failed.add(held);
    this.#cancelGather ??= this.#context.clock.after(GATHER_MS, () => {
      this.#cancelGather = undefined;
      const failed = new Set(this.#failed);
      this.#failed.clear();
      this.#leave(afterFailures(this.#state, failed));
    });
  }

  #logBegin(): void {
    const [first] = this.held;
    const fields = {
      service: this.#service,
      cause: first?.reason,
      held: this.#state.held.size,
      holdMs: this.#context.hold?.holdMs,
    };
    this.#logger.warn(fields, 'most of the list vanished at once: held while it answers');
  }
}

/** A check that cannot be made says nothing against the endpoint. */
async function fails(answers: Answers, { instance }: Held, signal: AbortSignal): Promise<boolean> {
  try {
    return !(await abortable(answers(instance.endpoint, signal), signal));
  } catch {
    return false;
  }
}
