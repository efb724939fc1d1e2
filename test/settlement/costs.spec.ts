/** What each instruction costs, held against the table in protocols/settlement/README.md, "Costs". */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getTransactionDecoder } from '@solana/kit'
import {
  AddressLookupTableAccount,
  AddressLookupTableProgram,
  Keypair,
  PublicKey,
  SYSVAR_INSTRUCTIONS_PUBKEY,
  type TransactionInstruction,
  TransactionMessage,
  VersionedTransaction
} from '@solana/web3.js'
import { expect } from 'chai'
import { FailedTransactionMetadata } from 'litesvm'
import { signEd25519 } from '../../src/identity/index.ts'
import {
  applySlash,
  claim,
  closeTask,
  createTask,
  createTaskAccount,
  fundTask,
  replaceStakingKey,
  STAKE_BYTES,
  setAddressHint,
  stake,
  stakeAddress,
  TASK_BYTES,
  unstake,
  updateTask,
  vote,
  voteBatch,
  voteMessage,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { buildLedger } from './ledger.ts'
import { b58, type Member, Scene } from './vm.ts'

interface Cost {
  units: number
  bytes: number
  signatures: number
}

const digest = new Uint8Array(32).fill(9)
const CID = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const HINT = '/ip4/203.0.113.7/tcp/4001/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
const LEAVES = 10_000

/** Everything once, in its usual form. */
function measure(): Map<string, Cost> {
  const costs = new Map<string, Cost>()
  const scene = new Scene({ stakes: Array(6).fill(3000n) })
  const { vm, manager, task } = scene
  const [alice, bob] = scene.members as [Member, Member]
  const take = (name: string, instructions: TransactionInstruction | TransactionInstruction[], ...signers: Keypair[]) => {
    const { computeUnits, bytes } = scene.must(instructions, ...signers)
    const verified = [instructions]
      .flat()
      .filter(({ programId }) => b58(programId).startsWith('Ed25519'))
      .map(({ data }) => data[0]!)
    costs.set(name, { units: computeUnits, bytes, signatures: signers.length + verified.reduce((sum, count) => sum + count, 0) })
  }

  const fresh = Keypair.generate()
  take(
    'create task',
    [
      createTaskAccount({ payer: b58(manager), task: b58(fresh), lamports: vm.rentExemption(TASK_BYTES) }),
      createTask({
        task: b58(fresh),
        manager: b58(manager),
        name: 'a task',
        roundSlots: 30,
        submissionWindow: 10,
        auditWindow: 10,
        bountyPerRound: 1n,
        minStake: 1n,
        bundle: CID
      })
    ],
    manager,
    fresh
  )
  take('fund task', fundTask({ task, payer: b58(manager), amount: 7n }), manager)
  take('update task', updateTask({ task, manager: b58(manager), bountyPerRound: 1_000_000n, minStake: 1000n, bundle: CID }), manager)
  take('close task', closeTask({ task: b58(fresh), manager: b58(manager) }), manager)

  // how long the address takes to find is luck: 1,500 units for each try; this staker's is found at the first
  let key = vm.wallet()
  const bumpOf = (of: Keypair) => {
    const probe = new Scene({ vm })
    const at = stakeAddress({ task: probe.task, staker: b58(of) })
    return { probe, at }
  }
  let found = bumpOf(key)
  const wallet = vm.wallet()
  const stakeIn = (of: Scene) =>
    stake({ task: of.task, stakingKey: b58(key), payer: b58(wallet), amount: 5000n, withdrawAuthority: b58(wallet), addressHint: HINT })
  for (let tries = 0; tries < 100; tries++) {
    const saved = vm.save()
    scene.must(stakeIn(found.probe), wallet, key)
    const { bump } = vm.stake(found.at)
    vm.restore(saved)
    if (bump === 255) {
      break
    }
    key = vm.wallet()
    found = bumpOf(key)
  }
  take('stake, a first one', stakeIn(found.probe), wallet, key)
  const more = stake({ task: found.probe.task, stakingKey: b58(key), payer: b58(wallet), amount: 1n, withdrawAuthority: b58(wallet) })
  take('stake, adding to one', more, wallet, key)
  const own = { task: found.probe.task, staker: b58(key), withdrawAuthority: b58(wallet) }
  take('unstake', unstake({ ...own, amount: 1000n }), wallet)
  take('withdraw', withdraw(own), wallet)
  const next = vm.wallet()
  take('replace staking key', replaceStakingKey({ ...own, newStakingKey: b58(next) }), wallet, next)
  take('set address hint', setAddressHint({ ...own, stakingKey: b58(next), addressHint: HINT }), next)

  const strangers = Array.from({ length: LEAVES - 6 }, (_, i) => b58(new PublicKey(createHash('sha256').update(String(i)).digest())))
  const lines = [...scene.members.map(({ staker }) => staker), ...strangers].map((staker) => ({ staker, reward: 100n, slash: 10n }))
  const { root, proofs } = buildLedger(task, lines)
  const content = { task, cycle: 0, root, recordDigest: digest, totalRewards: 1_000_000n }
  const signed = (of: Member[], what: Parameters<typeof voteMessage>[0]) =>
    of.map(({ staker, key: one }) => ({ staker, stakingKey: staker, signature: signEd25519(voteMessage(what), one.secretKey) }))
  scene.toVote(0)
  take('vote, the first of a cycle', vote({ ...content, stakingKey: alice.staker }), alice.key)
  take('vote', vote({ ...content, stakingKey: bob.staker }), bob.key)
  for (const member of scene.members.slice(2)) {
    scene.must(vote({ ...content, stakingKey: member.staker }), member.key)
  }
  expect(scene.state.finalized?.cycle).to.equal(0)
  const helper = vm.wallet()
  for (const count of [1, 2, 3, 4, 5]) {
    // a cycle of its own for each
    scene.toVote(count)
    const what = { ...content, cycle: count }
    take(`vote batch of ${count}`, voteBatch({ ...what, votes: signed(scene.members.slice(0, count), what) }), helper)
  }
  const deepest = scene.members.toSorted((a, b) => proofs.get(b.staker)!.length - proofs.get(a.staker)!.length)[0]!
  const line = { task, staker: deepest.staker, reward: 100n, slash: 10n, proof: proofs.get(deepest.staker)! }
  expect(line.proof).to.have.length(14)
  take(`claim among ${LEAVES.toLocaleString('en')} stakers`, claim({ ...line, withdrawAuthority: b58(deepest.wallet) }), helper)
  take(`apply slash among ${LEAVES.toLocaleString('en')} stakers`, applySlash(line), helper)
  return costs
}

/** The rows of the table of costs: name, units at most, bytes, signatures. */
function table(): Map<string, Cost> {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'protocols', 'settlement', 'README.md'), 'utf8')
  const rows = text
    .split('\n## ')
    .find((part) => part.startsWith('Costs\n'))!
    .matchAll(/^\| ([^|]+?) +\| +([\d,]+) +\| +([\d,]+) +\| +(\d+) +\|/gm)
  const number = (cell: string) => Number(cell.replaceAll(',', ''))
  return new Map(
    [...rows].map(([, name, units, bytes, signatures]) => [
      name!,
      { units: number(units!), bytes: number(bytes!), signatures: number(signatures!) }
    ])
  )
}

describe('settlement: costs', () => {
  let costs: Map<string, Cost>

  before(function () {
    this.timeout(60_000)
    costs = measure()
    if (process.env.SETTLEMENT_COSTS != null) {
      console.table(Object.fromEntries(costs))
    }
  })

  it('are those that the spec lists', () => {
    const listed = table()
    expect([...listed.keys()]).to.have.members([...costs.keys()])
    for (const [name, { units, bytes, signatures }] of costs) {
      expect(listed.get(name), name).to.include({ bytes, signatures })
      expect(units, name).to.be.within(listed.get(name)!.units * 0.8, listed.get(name)!.units)
    }
  })

  it('stay within what was promised', () => {
    expect(costs.get('vote')).to.satisfy(({ units, bytes }: Cost) => units <= 3000 && bytes <= 320)
    expect(costs.get('claim among 10,000 stakers')!.units).to.be.at.most(25_000)
    // the default limit of an instruction; and a batch of one more vote is no transaction any more
    expect(costs.get('vote batch of 5')).to.satisfy(({ units, bytes }: Cost) => units < 200_000 && bytes <= 1232 && bytes + 142 > 1232)
  })

  it('with an address table a transaction holds seven votes, and the program takes them', () => {
    const scene = new Scene({ stakes: Array(8).fill(1000n) })
    const { vm, task } = scene
    const sender = vm.wallet()
    const table = addressTable([task, b58(SYSVAR_INSTRUCTIONS_PUBKEY), ...scene.members.map((member) => member.stake)])
    vm.plant(b58(table.account.key), { lamports: 10n ** 9n, owner: b58(AddressLookupTableProgram.programId), data: table.data })
    scene.toVote(0)
    const content = { task, cycle: 0, root: digest, recordDigest: digest, totalRewards: 5n }
    const message = voteMessage(content)
    const transactionOf = (count: number) => {
      const votes = scene.members
        .slice(0, count)
        .map(({ staker, key }) => ({ staker, stakingKey: staker, signature: signEd25519(message, key.secretKey) }))
      const transaction = new VersionedTransaction(
        new TransactionMessage({
          payerKey: sender.publicKey,
          recentBlockhash: vm.svm.latestBlockhash(),
          instructions: voteBatch({ ...content, votes })
        }).compileToV0Message([table.account])
      )
      transaction.sign([sender])
      return transaction.serialize()
    }
    const bytes = transactionOf(7)
    expect(bytes.length).to.be.at.most(1232)
    const result = vm.svm.sendTransaction(getTransactionDecoder().decode(bytes))
    expect(result, String(result)).to.not.be.instanceOf(FailedTransactionMetadata)
    expect(scene.state.tally?.entries.map(({ weight }) => weight)).to.deep.equal([7000n])
    expect(transactionOf(8).length).to.be.greaterThan(1232)
  })

  it('accounts are rent-exempt at the sizes and prices that the spec lists', () => {
    const text = readFileSync(join(import.meta.dirname, '..', '..', 'protocols', 'settlement', 'README.md'), 'utf8')
    const { vm } = new Scene()
    for (const [kind, bytes] of [
      ['task', TASK_BYTES],
      ['stake', STAKE_BYTES]
    ] as const) {
      const row = `| ${kind.padEnd(7)} | ${bytes.toLocaleString('en').padEnd(5)} | ${vm.rentExemption(bytes).toLocaleString('en')} ROE`
      expect(text).to.include(row)
    }
  })
})

/** A lookup table as K2 keeps it: kind, no deactivation, last extended in slot 0, no authority, the addresses. */
function addressTable(addresses: string[]): { account: AddressLookupTableAccount; data: Uint8Array } {
  const head = Buffer.alloc(56)
  head.writeUInt32LE(1, 0)
  head.fill(0xff, 4, 12)
  const keys = addresses.map((one) => new PublicKey(one))
  const state = { deactivationSlot: 2n ** 64n - 1n, lastExtendedSlot: 0, lastExtendedSlotStartIndex: 0, addresses: keys }
  return {
    account: new AddressLookupTableAccount({ key: Keypair.generate().publicKey, state }),
    data: Uint8Array.from(Buffer.concat([head, ...keys.map((key) => key.toBytes())]))
  }
}
