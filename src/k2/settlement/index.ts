/**
 * The settlement program as the rest of the code sees it: accounts decoded, instructions built, refusals named, and what
 * counts in which cycle. Talks to nothing: K2's client sends and fetches.
 */
export * from './accounts.ts'
export * from './errors.ts'
export * from './instructions.ts'
export * from './votes.ts'
export * from './weights.ts'
