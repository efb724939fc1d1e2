import { bytesOf, keyFileOf, type TaskConfig } from '../config/index.ts'
import { createClosers } from './closers.ts'
import type { Base, HostBase, Late } from './rooms.ts'
import { openSigning } from './signing.ts'

/** @throws what is wrong with the staking key, or with its signer */
export async function openBase(host: HostBase, config: TaskConfig): Promise<Base> {
  const { keyIsIdle, watch, store } = host
  const log = host.config.tasks.length > 1 || config.task !== host.config.task ? host.log.child({ task: config.task }) : host.log
  const { onClose, close } = createClosers(log)
  try {
    const signing = await openSigning({ config, store, keys: host.keys, log })
    onClose(signing.close)
    const { signer } = signing
    const stopping = new AbortController()
    const onStop = () => stopping.abort()
    host.stopping.signal.addEventListener('abort', onStop, { once: true })
    onClose(() => host.stopping.signal.removeEventListener('abort', onStop))
    return {
      ...{ config, log, keyIsIdle, watch, store, signing, stopping, onClose, close },
      parts: host.parts(),
      sizes: bytesOf(config),
      self: signer.address,
      voice: { publicKey: signer.publicKey, sign: signer.signMessage },
      payer: { address: signer.address, sign: signer.signTransaction },
      own: { k2: config.k2.join(','), program: config.program, task: config.task, key: keyFileOf(config) },
      late: {} as Late
    }
  } catch (err) {
    await close()
    throw err
  }
}
