/** Why a run does not hold what it promises: the first reason counts, the others come of it. */
export interface Failure {
  note(reason: string): void
  reason(): string | null
}

export function createFailure(): Failure {
  let first: string | null = null
  return {
    note(reason) {
      first ??= reason
    },
    reason: () => first
  }
}
