/** The staking keys of this process: a file is read, made and locked once, however many of its tasks use it. */
import { realpathSync } from 'node:fs'
import { type Config, keyPathOf } from '../config/index.ts'
import { generateKeyPair, type KeyLock, type KeyPair, lockKeyFile, readKeyFile, writeKeyFile } from '../identity/index.ts'
import { messageOf } from '../k2/index.ts'
import { createTurns } from './turns.ts'

export interface OwnKey {
  keyPair: KeyPair
  /** Why it could not be locked against other processes; undefined where it is. */
  unlocked: string | undefined
  /** Once: the lock goes with the last one who has the key. */
  release(): void
}

export interface OwnKeys {
  /** The operator's key, or one made on the first start. @throws KeyInUseError, KeyFileError */
  take(config: Pick<Config, 'key' | 'dataDir' | 'task'>): Promise<OwnKey>
}

export function createOwnKeys(): OwnKeys {
  const held = new Map<string, { lock: KeyLock; users: number }>()
  // or two would make the key that is missing
  const inTurn = createTurns()

  const take: OwnKeys['take'] = async (config) => {
    const keyPair = await readOrMake(config)
    // links lead to one lock
    const path = realpathSync(keyPathOf(config))
    const one = held.get(path) ?? { lock: lockKeyFile(path, { dataDir: config.dataDir, task: config.task }), users: 0 }
    one.users++
    held.set(path, one)
    let isHeld = true
    return {
      keyPair,
      unlocked: one.lock.unlocked,
      release() {
        if (isHeld && --one.users === 0) {
          held.delete(path)
          one.lock.release()
        }
        isHeld = false
      }
    }
  }
  return { take: (config) => inTurn(() => take(config)) }
}

async function readOrMake(config: Pick<Config, 'key' | 'dataDir'>): Promise<KeyPair> {
  if (config.key != null) {
    return readKeyFile(config.key)
  }
  const path = keyPathOf(config)
  try {
    return await readKeyFile(path)
  } catch (err) {
    if (!/ENOENT/.test(messageOf(err))) {
      throw err
    }
  }
  const pair = generateKeyPair()
  await writeKeyFile(path, pair)
  return pair
}
