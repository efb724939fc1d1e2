/** The task's distribution list breaks a rule: the message names the rule and the entry. */
export class DistributionError extends Error {
  override name = 'DistributionError'
}

/** Blocks that are not a well-formed record or ledger: `where` is the block and the field, the message what is wrong there. */
export class RecordMalformedError extends Error {
  override name = 'RecordMalformedError'
  readonly where: string

  constructor(where: string, what: string) {
    super(`${where}: ${what}`)
    this.where = where
  }
}
