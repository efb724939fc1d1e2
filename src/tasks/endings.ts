/**
 * How a call of a bundle can fail, and what each way means. One table: the runner goes by it, protocols/task and
 * docs/task-authors.md tell it, and a test compares them.
 *
 * An ending accuses a submission only when the bundle brought it about by its own act and every honest auditor would see
 * the same. What may come from this machine (its memory, its speed, its disk, whoever kills processes on it) is our own
 * fault, and so is an error that the bundle let go: it may be K2's or the network's.
 */
/** Why a call gave nothing. */
export type FailureReason =
  | 'crashed'
  | 'killed'
  | 'timeout'
  | 'out-of-memory'
  | 'nonsense'
  | 'threw'
  | 'not-loaded'
  | 'aborted'
  | 'interrupted'
  | 'stopped'
  | 'unavailable'

/** Whose doing an ending is. */
export type Whose = 'bundle' | 'ours' | 'stopped'

export interface Ending {
  /** What happened, for the documents. */
  when: string
  reason: FailureReason
  whose: Whose
  /**
   * What a call of `task` or `submission` comes to: `again` runs once more at once, in the time that is left; `later` is for the caller to try
   * again while its window lasts.
   */
  work: 'lost' | 'again' | 'later'
  /**
   * What it says of an audited submission: `invalid` at once; `twice` is invalid when it happens again in a process of
   * its own; `abstain` is nothing.
   */
  audit: 'invalid' | 'twice' | 'abstain'
  /** What it says of a distribution: every node has no list (`refused`), or this one has none (`none`). */
  distribution: 'refused' | 'none'
}

const row = (
  reason: FailureReason,
  whose: Whose,
  work: Ending['work'],
  audit: Ending['audit'],
  distribution: Ending['distribution'],
  when: string
): Ending => ({ reason, whose, work, audit, distribution, when })

export const ENDINGS = {
  exit: row('crashed', 'bundle', 'lost', 'twice', 'refused', 'the process ended with an exit status and no error: the bundle ended it'),
  uncaught: row('crashed', 'bundle', 'lost', 'abstain', 'refused', 'an exception or a rejection that nobody handled'),
  broken: row('crashed', 'ours', 'lost', 'abstain', 'none', 'SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP'),
  killed: row(
    'killed',
    'ours',
    'again',
    'abstain',
    'none',
    'any other signal that the node did not send, as the kernel does when memory is short'
  ),
  heap: row(
    'out-of-memory',
    'bundle',
    'lost',
    'twice',
    'refused',
    'V8 reached the heap limit of the manifest; the second time with twice as much'
  ),
  capped: row(
    'out-of-memory',
    'ours',
    'lost',
    'abstain',
    'none',
    'V8 reached a heap limit that the operator set below the manifest, or below twice as much'
  ),
  memory: row('out-of-memory', 'ours', 'again', 'abstain', 'none', 'the machine gave V8 no more memory'),
  resident: row('out-of-memory', 'ours', 'lost', 'abstain', 'none', 'killed by the node: resident memory over the heap limit and 128 MiB'),
  timeout: row('timeout', 'ours', 'lost', 'abstain', 'none', 'killed by the node, or returned too late'),
  unreadable: row('nonsense', 'bundle', 'lost', 'twice', 'refused', 'a message that no runtime sends'),
  oversized: row('nonsense', 'bundle', 'lost', 'twice', 'refused', 'a message above its limit'),
  'closed-pipe': row('nonsense', 'bundle', 'lost', 'twice', 'refused', 'the bundle closed its way to the node, and went on'),
  answer: row('nonsense', 'bundle', 'lost', 'twice', 'refused', 'a result outside this contract'),
  'bad-proof': row('threw', 'bundle', 'lost', 'invalid', 'refused', 'the function threw `BadProofError`'),
  threw: row('threw', 'bundle', 'lost', 'abstain', 'refused', 'the function threw; too deep a recursion and a request that failed count'),
  'k2-away': row('threw', 'ours', 'later', 'abstain', 'none', 'the function threw when K2 had not answered what it had asked for last'),
  'not-loaded': row(
    'not-loaded',
    'bundle',
    'lost',
    'abstain',
    'refused',
    'the module does not load, lacks an export, or asks for a network that the operator does not give'
  ),
  start: row('unavailable', 'ours', 'later', 'abstain', 'none', 'the process could not be started'),
  interrupted: row('interrupted', 'ours', 'lost', 'abstain', 'none', 'another call ended the process that both ran in'),
  aborted: row('aborted', 'stopped', 'lost', 'abstain', 'none', 'the node gave the call up'),
  stopped: row('stopped', 'stopped', 'lost', 'abstain', 'none', 'the runner was stopped')
} as const satisfies Record<string, Ending>

export type EndingName = keyof typeof ENDINGS

export const endingOf = (name: EndingName): Ending => ENDINGS[name]

/** What a faulting program gets from the kernel, or gives itself: Node's and V8's own checks end this way too. */
const BROKEN: ReadonlySet<string> = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP'])

/**
 * How a process ended that the node did not end.
 *
 * @param errors the last that it wrote to standard error. The bundle writes there too, so a report counts only beside
 *   the status that such a report goes with.
 */
export function endingOfExit(
  code: number | null,
  signal: string | null,
  errors: string
): { ending: EndingName; detail: string; stack?: string } {
  if (signal != null && !BROKEN.has(signal)) {
    return {
      ending: 'killed',
      detail: `the process was ended by ${signal}, which this node did not send: somebody killed it, or the machine is short of memory`
    }
  }
  if (signal != null && /Reached heap limit|Ineffective mark-compacts near heap limit/.test(errors)) {
    return { ending: 'heap', detail: 'the JavaScript heap reached its limit' }
  }
  if (signal != null && /out of memory|Fatal JavaScript invalid size/i.test(errors)) {
    return { ending: 'memory', detail: `the process got no more memory from this machine, and ended by ${signal}` }
  }
  const line = errors
    .split('\n')
    .map((text) => text.trim())
    .find((text) => /^(\w*Error|Uncaught)\b/.test(text))
  const how = signal == null ? `the process ended with exit status ${code}` : `the process ended by ${signal}`
  const ending = signal != null ? 'broken' : line == null && !/^Node\.js v\d/m.test(errors) ? 'exit' : 'uncaught'
  return { ending, detail: line == null ? how : `${how}: ${line.slice(0, 300)}`, stack: ending === 'uncaught' ? errors : '' }
}
