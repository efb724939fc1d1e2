/** Addresses of nodes as commands read and write them: the own one is checked, others' bad ones are passed over. */
import { dirname, join } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { commandLine } from '../command/index.ts'
// by their files: all of the network room takes a second to load
import { readHint } from '../network/hints.ts'
import { readNodeKey } from '../network/node-key.ts'
import { aboutBadHints, type BadHint } from '../node/hints.ts'
import { shownText } from '../observe/index.ts'
import { sayOnce, UsageError } from './common.ts'

export const DATA_DIR_OPTION = ['--data-dir <dir>', 'the data directory of the node: its PeerId must be the one in the address'] as const

/** Says whose address on K2 is of no use, on standard error. */
export function onBadHints(bad: readonly BadHint[]): void {
  sayOnce(aboutBadHints(bad))
}

/**
 * The address that a node is to be found at, before it is written to K2 for everybody.
 *
 * @param keyFile - the staking key: a node keeps its own key beside it, when it made both
 * @throws UsageError
 */
export async function checkHint(text: string, { dataDir, keyFile }: { dataDir?: string | undefined; keyFile: string }): Promise<void> {
  const read = readHint(text)
  if ('fault' in read) {
    throw new UsageError(
      `"${shownText(text)}" ${read.fault}. Give the address of your node as ${commandLine(['start'])} prints it, such as /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW...`
    )
  }
  const own = await readNodeKey(join(dataDir ?? dirname(keyFile), 'node-key'))
  if (own == null && dataDir != null) {
    throw new UsageError(`no node has run with the data directory ${dataDir} yet, so its PeerId is not known: check --data-dir`)
  }
  if (own != null) {
    const peerId = peerIdFromPrivateKey(own).toString()
    if (peerId !== read.peerId) {
      throw new UsageError(
        `the address names the peer ${read.peerId}, and the node of ${dataDir ?? dirname(keyFile)} is ${peerId}: nobody would find it there. Give ${read.address}/p2p/${peerId}, or another node's directory with --data-dir`
      )
    }
  }
}
