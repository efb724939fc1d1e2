import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import { createDiskWatch } from '../../disk/index.ts'
import { readOrMakeNodeKey } from '../../network/index.ts'
import type { Logger } from '../../observe/index.ts'
import { openStore } from '../../store/index.ts'
import { createClosers } from '../closers.ts'
import { createOwnKeys } from '../own-keys.ts'
import type { NodeParts } from '../parts.ts'
import type { HostBase } from '../rooms.ts'

export interface HostBaseInit {
  config: Config
  log: Logger
  parts: () => NodeParts
  keyIsIdle: boolean
}

export async function openHostBase({ config, log, parts, keyIsIdle }: HostBaseInit): Promise<HostBase> {
  const watch = createDiskWatch({ dir: config.dataDir })
  const store = openStore({ dir: config.dataDir, watch })
  const { onClose, close } = createClosers(log)
  onClose(store.close)
  onClose(watch.stop)
  try {
    const privateKey = await readOrMakeNodeKey(join(config.dataDir, 'node-key'))
    const shared = { keys: createOwnKeys(), stopping: new AbortController(), rooms: new Map() }
    return { ...{ config, log, parts, keyIsIdle, watch, store, privateKey, onClose, close }, ...shared }
  } catch (err) {
    await close()
    throw err
  }
}
