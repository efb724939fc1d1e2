/** No endpoint answered: which one, why, and what to do. */
export class K2UnreachableError extends Error {
  override name = 'K2UnreachableError'
  /** What is so, without what somebody at a command line may do about it: a node that runs tells this. */
  readonly fact: string

  constructor(fact: string, advice?: string) {
    super(advice == null ? fact : `${fact}: ${advice}`)
    this.fact = fact
  }
}

/** An endpoint answered for a slot before the one that was asked for. */
export class K2BehindError extends K2UnreachableError {
  override name = 'K2BehindError'
}

/** The chain has not come to what was asked for: ask again later. */
export class K2NotYetError extends Error {
  override name = 'K2NotYetError'
}

/** The endpoint does not keep the block that was asked for. */
export class K2LacksBlockError extends Error {
  override name = 'K2LacksBlockError'
}

/** What was given is not a URL, or not an address: nothing was asked. */
export class K2ArgumentError extends Error {
  override name = 'K2ArgumentError'
}

/** The endpoint answered, but what was asked for is not there or not what it should be. */
export class K2AccountError extends Error {
  override name = 'K2AccountError'
}

/** Another chain answers where the one was that this process began with. */
export class K2NetworkError extends Error {
  override name = 'K2NetworkError'
}

/** Endpoints tell different things, and there is no majority: nothing is believed. */
export class K2ContradictionError extends Error {
  override name = 'K2ContradictionError'
}

/** What endpoints list contradicts what they say themselves: the list is not believed. */
export class K2DoubtError extends K2ContradictionError {
  override name = 'K2DoubtError'
  readonly doubts: ReadonlyArray<{ name: string; reason: string }>

  constructor(doubts: ReadonlyArray<{ name: string; reason: string }>) {
    super(
      `what K2 lists contradicts what it says of the task (${doubts.map(({ name, reason }) => `${name}: ${reason}`).join(', ')}): it is asked again; give another endpoint with --k2 if this lasts`
    )
    this.doubts = doubts
  }
}

/** K2 took a transaction and refused it. */
export class K2TransactionError extends Error {
  override name = 'K2TransactionError'
  /** Whether the payer has too little for it. */
  readonly unpayable: boolean

  constructor(message: string, { unpayable = false, ...options }: ErrorOptions & { unpayable?: boolean } = {}) {
    super(message, options)
    this.unpayable = unpayable
  }
}

/** Of what an endpoint may have put into an error, so much goes into logs and errors of ours. */
const MAX_MESSAGE = 2000

/** What is wrong, for a log or an error of ours: advice for a command line is left out. */
export function messageOf(err: unknown): string {
  if (!(err instanceof Error)) {
    return bounded(String(err))
  }
  const cause = err.cause instanceof Error && err.cause.message !== '' ? ` (${bounded(err.cause.message)})` : ''
  return `${bounded(err instanceof K2UnreachableError ? err.fact : err.message)}${cause}`
}

/** What an endpoint says where its own words should be: JSON may have anything there, and of `{ "toString": 1 }` there is no text. */
export function toldBy(message: unknown, otherwise: string): string {
  return typeof message === 'string' ? bounded(message) : otherwise
}

function bounded(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text
}
