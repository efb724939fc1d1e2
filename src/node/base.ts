import { join } from 'node:path'
import { bytesOf, type Config, keyFileOf } from '../config/index.ts'
import { createDiskWatch } from '../disk/index.ts'
import { readOrMakeNodeKey } from '../network/index.ts'
import type { Logger } from '../observe/index.ts'
import { openStore } from '../store/index.ts'
import type { NodeParts } from './parts.ts'
import type { Base, Late } from './rooms.ts'
import { openSigning } from './signing.ts'

export interface BaseInit {
  config: Config
  log: Logger
  parts: NodeParts
  keyIsIdle: boolean
}

export async function openBase({ config, log, parts, keyIsIdle }: BaseInit): Promise<Base> {
  const watch = createDiskWatch({ dir: config.dataDir })
  const store = openStore({ dir: config.dataDir, watch })
  let closeKey: () => void | Promise<void> = () => {}
  // a key is let go when nothing more can be written in its name
  const closers: Array<() => void | Promise<void>> = [() => closeKey(), store.close, watch.stop]
  const close = async () => {
    for (const one of closers.splice(0).reverse()) {
      try {
        await one()
      } catch (err) {
        // the others are to be let go all the same
        log.error({ reason: (err as Error).message }, 'something of the node could not be closed')
      }
    }
  }
  try {
    const signing = await openSigning({ config, store, log })
    closeKey = signing.close
    const { signer } = signing
    return {
      ...{ config, log, parts, keyIsIdle, watch, store, signing, close },
      sizes: bytesOf(config),
      self: signer.address,
      voice: { publicKey: signer.publicKey, sign: signer.signMessage },
      payer: { address: signer.address, sign: signer.signTransaction },
      privateKey: await readOrMakeNodeKey(join(config.dataDir, 'node-key')),
      own: { k2: config.k2.join(','), program: config.program, task: config.task, key: keyFileOf(config) },
      stopping: new AbortController(),
      late: {} as Late,
      onClose: (one) => void closers.push(one)
    }
  } catch (err) {
    await close()
    throw err
  }
}
