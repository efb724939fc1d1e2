/** Where a signer listens: a socket in a folder that its user alone may enter. Whoever can connect can have things signed. */
import { chmodSync, lstatSync, type Stats, statSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { basename, dirname } from 'node:path'
import { quoted } from '../../command/index.ts'
import { makeFolder } from '../../disk/index.ts'
import { lockPath } from '../../identity/index.ts'
import { SignerSocketError } from '../errors.ts'

/** What an address of a socket has room for on every system, its last zero byte not counted. */
const MAX_PATH_BYTES = 103

/** Who is asking and who has a file, as far as the system knows users. */
const ownUid = () => process.getuid?.()

function demandPlace(path: string): void {
  const length = Buffer.byteLength(path)
  if (length > MAX_PATH_BYTES) {
    throw new SignerSocketError(
      `the path ${path} of the socket has ${length} bytes, and a socket's may have ${MAX_PATH_BYTES}: give a shorter one with --socket`
    )
  }
  if (process.platform === 'win32') {
    throw new SignerSocketError('a signer listens on a Unix socket, which Windows keeps from nobody: run it on Linux or macOS')
  }
  const folder = dirname(path)
  try {
    makeFolder(folder)
  } catch (err) {
    throw new SignerSocketError(`cannot make ${folder} for the socket (${(err as Error).message}): choose another place with --socket`)
  }
  const stats = statSync(folder)
  if (stats.uid !== ownUid()) {
    throw new SignerSocketError(
      `the folder ${folder} of the socket is not this user's: whoever it belongs to could put another in its place. Choose a folder of your own with --socket`
    )
  }
  if ((stats.mode & 0o077) !== 0) {
    throw new SignerSocketError(
      `others may enter the folder ${folder} of the socket, and whoever reaches the socket can have things signed: chmod 700 ${quoted(folder)}, or choose another folder with --socket`
    )
  }
}

/** What is at `path`, and no reason to leave it there; undefined for nothing. @throws SignerSocketError */
function demandSocketOrNothing(path: string): Stats | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats != null && !stats.isSocket()) {
    throw new SignerSocketError(
      `${path} is there and is no socket, so it is not replaced: move it away, or choose another path with --socket`
    )
  }
  if (stats != null && stats.uid !== ownUid()) {
    throw new SignerSocketError(`${path} is another user's socket, and is not replaced: choose another path with --socket`)
  }
  return stats
}

/** Whether somebody listens there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => done(true))
    // refused: of a process that was killed; anything else may be a living one
    socket.once('error', (err: NodeJS.ErrnoException) => done(err.code !== 'ECONNREFUSED' && err.code !== 'ENOENT'))
  })
}

/**
 * Makes room for a socket: what a killed signer left is removed, and nothing else is. The place is this process's until `release`
 * (a lock in `PATH.lock`).
 *
 * @throws SignerSocketError
 */
export async function claimSocket(path: string): Promise<{ made(): void; release(): void }> {
  demandPlace(path)
  const release = lockPath(`${path}.lock`)
  if (release == null) {
    throw inUse(path)
  }
  try {
    if (demandSocketOrNothing(path) != null) {
      if (await answers(path)) {
        throw inUse(path)
      }
      unlinkSync(path)
    }
  } catch (err) {
    release()
    throw err
  }
  return { made: () => chmodSync(path, 0o600), release }
}

const inUse = (path: string) =>
  new SignerSocketError(`another process listens on ${path}: stop that one, or choose another path than ${basename(path)} with --socket`)

/** Why what is at `path` is not to be asked; null for a socket of this user. */
export function whyNotAsk(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats == null) {
    return 'there is no socket'
  }
  if (!stats.isSocket()) {
    return 'what is there is no socket'
  }
  const uid = ownUid()
  return uid == null || stats.uid === uid ? null : "the socket is another user's"
}
