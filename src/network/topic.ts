import bs58 from 'bs58'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { lengthPrefixed, type Network } from '../wire/index.ts'

export const HELLO_PROTOCOL = '/koii-mesh/hello/1'

const TOPIC_OF_TASK = /^\/koii-mesh\/1\/[1-9A-HJ-NP-Za-km-z]{32,44}$/

/** The gossip topic of a task. Spec: protocols/gossip/README.md. */
export function topicOf(network: Network): string {
  return `/koii-mesh/1/${bs58.encode(network.taskId)}`
}

/** Whether a topic looks like that of a task, ours or not. */
export const isTaskTopic = (topic: string): boolean => TOPIC_OF_TASK.test(topic)

/** Hello and sync are by task. Who names no task speaks the first: protocols/hello/README.md, "Protocol". */
export function helloProtocol(network: Network): string {
  return `${HELLO_PROTOCOL}/${bs58.encode(network.taskId)}`
}

/** The DHT key under which everybody who runs the task can be found. Spec: protocols/hello/README.md, "Finding peers". */
export async function rendezvousKey(network: Network): Promise<CID> {
  return keyOf(lengthPrefixed(Buffer.from('koii-mesh/rendezvous/1'), network.genesisHash, network.taskId))
}

/** The DHT key under which the node of one staker can be found. */
export async function stakerKey(network: Network, staker: string): Promise<CID> {
  return keyOf(lengthPrefixed(Buffer.from('koii-mesh/staker/1'), network.genesisHash, network.taskId, bs58.decode(staker)))
}

async function keyOf(bytes: Uint8Array): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(bytes))
}
