import { PublicKey, type TransactionInstruction } from '@solana/web3.js'
import { createK2Client } from '../client.ts'
import { ask, connect } from '../connection.ts'
import type { TransactionSigner } from '../transactions.ts'
import { ProgramAccountError } from './errors.ts'

/** An account as it is read for programs. */
export interface ClusterAccount {
  /** base58 */
  owner: string
  data: Uint8Array
  executable: boolean
}

/** What deploying and comparing touch of a cluster; all of it is JSON-RPC, at `confirmed`. */
export interface Cluster {
  url: string
  account(address: string): Promise<ClusterAccount | null>
  slot(): Promise<number>
  balance(address: string): Promise<bigint>
  /** In lamports. */
  rentExemption(bytes: number): Promise<number>
  /** Sends and waits until it is confirmed. The first signer pays. @throws what K2Client's send does */
  send(instructions: TransactionInstruction[], signers: TransactionSigner[]): Promise<{ signature: string }>
  airdrop(address: string, lamports: bigint): Promise<void>
  close(): void
}

/** @throws K2ArgumentError when `url` is not one */
export function createCluster(url: string): Cluster {
  const connection = connect({ url })
  const client = createK2Client({ url })
  return {
    url,
    async account(address) {
      const key = publicKey(address)
      const found = await ask(url, () => connection.getAccountInfo(key, 'confirmed'))
      return found && { owner: found.owner.toBase58(), data: found.data, executable: found.executable }
    },
    slot: () => ask(url, () => connection.getSlot('confirmed')),
    balance: (address) => client.balance(address),
    rentExemption: (bytes) => client.rentExemption(bytes),
    send: (instructions, signers) => client.send(instructions, signers),
    airdrop: (address, lamports) => client.airdrop(address, lamports),
    close: () => client.close()
  }
}

function publicKey(address: string): PublicKey {
  try {
    return new PublicKey(address)
  } catch {
    throw new ProgramAccountError(`"${address}" is not an address, which is 32 bytes in base58: check it`)
  }
}
