/** `koii-mesh signer` as a process, and a node's side of it in the test's own. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type KeyPair, writeKeyFile } from '../../src/identity/index.ts'
import { PROGRAM_ID } from '../../src/k2/settlement/index.ts'
import { connectSigner, type RemoteSigner, type RemoteSignerInit } from '../../src/signer/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { type Cli, cli } from '../e2e/cli.ts'
import { TASK } from '../wire/people.ts'

export interface Place {
  dir: string
  key: string
  data: string
  socket: string
}

/** The files of a signer in a folder of the test's. */
export async function placeFor(dir: string, pair: KeyPair): Promise<Place> {
  const place = { dir, key: join(dir, 'key.json'), data: join(dir, 'signer'), socket: join(dir, 'private', 'socket') }
  await writeKeyFile(place.key, pair)
  return place
}

export const startSigner = ({ key, data, socket }: Place, ...more: string[]): Cli =>
  cli(['signer', '--key', key, '--data-dir', data, '--socket', socket, '--json', ...more])

export async function upSigner(place: Place, ...more: string[]): Promise<Cli> {
  const signer = startSigner(place, ...more)
  await signer.event('listening signer', ({ event }) => event === 'listening')
  return signer
}

/** As `kill -9` does: nothing of it is told to anybody. */
export async function killed(process: Cli): Promise<void> {
  process.signal('SIGKILL')
  await process.ended
}

/** What a node is told, and a wait for the next of it. */
export interface Heard {
  said: Array<[what: 'away' | 'back' | 'mistrust', detail: unknown]>
  next(what: 'away' | 'back' | 'mistrust'): Promise<unknown>
}

export interface NodeSide extends RemoteSigner {
  store: Store
  heard: Heard
  /** The first live cycle, from now on. */
  live(cycle: number): void
  close(): Promise<void>
}

/** A node's side, with a data directory of its own. */
export async function nodeSide(
  place: Pick<Place, 'dir' | 'socket'>,
  { name = 'node', ...more }: Partial<RemoteSignerInit> & { name?: string } = {}
): Promise<NodeSide> {
  const dir = join(place.dir, name)
  mkdirSync(dir, { recursive: true })
  const store = openStore({ dir })
  let liveFrom = 0
  let closed = false
  const said: Heard['said'] = []
  const waiting = new Set<(what: string, detail: unknown) => void>()
  const hear = (what: Heard['said'][number][0]) => (detail: unknown) => {
    said.push([what, detail])
    for (const tell of [...waiting]) {
      tell(what, detail)
    }
  }
  try {
    const remote = await connectSigner({
      path: place.socket,
      programId: PROGRAM_ID,
      task: TASK,
      log: store.signerLog,
      liveFrom: () => liveFrom,
      onAway: hear('away'),
      onBack: hear('back'),
      onMistrust: hear('mistrust'),
      pollMs: 50,
      ...more
    })
    return {
      ...remote,
      store,
      heard: {
        said,
        next: (what) =>
          new Promise((resolve) => {
            const tell = (of: string, detail: unknown) => {
              if (of === what) {
                waiting.delete(tell)
                resolve(detail)
              }
            }
            waiting.add(tell)
          })
      },
      live(cycle) {
        liveFrom = cycle
      },
      async close() {
        if (!closed) {
          closed = true
          await remote.close()
          store.close()
        }
      }
    }
  } catch (err) {
    store.close()
    throw err
  }
}

/** As the guard lets a node sign that may. */
export function maySign({ trust, signer }: RemoteSigner): void {
  trust.trustLog()
  signer.release()
}
