import { dirname } from 'node:path'
import { diskAdvice, diskFault } from '../disk/index.ts'

/** A port that the local K2 wants is taken by another program. */
export class PortInUseError extends Error {
  override name = 'PortInUseError'
  readonly port: number

  constructor(port: number, host: string, what: 'HTTP' | 'WebSocket') {
    const why = what === 'HTTP' ? '' : ' (clients look for WebSocket on the HTTP port plus one)'
    super(
      `port ${port} on ${host} is in use, and the local K2 needs it for ${what}${why}: stop the program that uses it, ` +
        'perhaps another local K2, or choose another port with --port'
    )
    this.port = port
  }
}

/** The local K2 is to listen on an address that this machine does not have. */
export class NoSuchHostError extends Error {
  override name = 'NoSuchHostError'

  constructor(host: string) {
    super(
      `this machine has no address ${host} to listen on: give one that it has with --host, such as 127.0.0.1 or ::1, or bring its loopback interface up`
    )
  }
}

/** The data directory was written by a version with another format. */
export class DataDirVersionError extends Error {
  override name = 'DataDirVersionError'

  constructor(path: string, found: number, wanted: number) {
    super(
      `${path} was written in format ${found} and this version reads format ${wanted}: ` +
        'open it with the version that wrote it, or give another --data-dir to begin a new chain, or --reset to throw this one away'
    )
  }
}

/** The data directory does not hold a readable chain. */
export class DataDirCorruptError extends Error {
  override name = 'DataDirCorruptError'

  constructor(path: string, what: string, options?: ErrorOptions) {
    super(
      `${path} is damaged or is not a local K2's (${what}): restore it from a copy, or give another --data-dir to begin a new chain, or --reset to throw this one away`,
      options
    )
  }
}

/** Another process has the data directory open. */
export class DataDirLockedError extends Error {
  override name = 'DataDirLockedError'

  /** @param holder "process 123" */
  constructor(path: string, holder: string) {
    super(`${path} is in use by another local K2 (${holder}): stop that one, or give another --data-dir`)
  }
}

/** The data directory cannot be made or opened at all. */
export class DataDirUnusableError extends Error {
  override name = 'DataDirUnusableError'

  constructor(path: string, options: { cause: Error }) {
    const fault = diskFault(options.cause, path)
    super(
      fault == null
        ? `cannot use ${path} (${options.cause.message}): check that the path is right, and that it may be written`
        : `cannot use ${path}: ${diskAdvice(fault, dirname(path))}. The chain that is kept there is whole`,
      options
    )
  }
}

/** A block cannot be stored now: the chain stands still, and what is in the slot in progress waits. */
export class NotStoredError extends Error {
  override name = 'NotStoredError'

  constructor(slot: number, dataDir: string, options: { cause: unknown }) {
    super(`slot ${slot} cannot be stored: ${adviceFor(options.cause, dataDir)}`, options)
  }
}

function adviceFor(err: unknown, dataDir: string): string {
  const fault = diskFault(err, dataDir)
  return fault == null ? String((err as Error).message) : diskAdvice(fault, dataDir)
}

/** A program or an address of the genesis is wrong, or is not what the chain in the data directory began with. */
export class GenesisError extends Error {
  override name = 'GenesisError'
}

/** An account cannot be given what was asked for it. */
export class FundingError extends Error {
  override name = 'FundingError'
}

/** Bytes that are not a transaction. */
export class MalformedTransactionError extends Error {
  override name = 'MalformedTransactionError'
}

/** The local K2 was stopped and takes nothing more. */
export class StoppedError extends Error {
  override name = 'StoppedError'

  constructor() {
    super('this local K2 is stopped: make a new one with createLocalK2')
  }
}
