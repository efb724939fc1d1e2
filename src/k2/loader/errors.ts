/** A program could not be deployed; where a buffer is left with what was written, the message names it. */
export class ProgramDeployError extends Error {
  override name = 'ProgramDeployError'
  /** Where to go on, in base58. */
  readonly buffer: string | undefined

  constructor(message: string, options?: ErrorOptions & { buffer?: string | undefined }) {
    const { buffer } = options ?? {}
    super(
      buffer === undefined
        ? message
        : `${message}. What was written is in the buffer ${buffer}: go on with the same command and --buffer ${buffer}`,
      options
    )
    this.buffer = buffer
  }
}

/** What is asked about is not a program that this reads. */
export class ProgramAccountError extends Error {
  override name = 'ProgramAccountError'
}
