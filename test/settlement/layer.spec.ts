import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PublicKey, SendTransactionError } from '@solana/web3.js'
import bs58 from 'bs58'
import { expect } from 'chai'
import fc from 'fast-check'
import { LinkError, linkSbf } from '../../scripts/link-sbf.ts'
import { cycleAt } from '../../src/clock/index.ts'
import {
  baseRewards,
  bountyFor,
  bundleCycle,
  bundleOf,
  DEFAULT_BUNDLE_NOTICE,
  EMPTY_RING,
  effectiveCycle,
  hasQuorum,
  instructionName,
  largestSlashOf,
  PROGRAM_ID,
  REFUSALS,
  type Ring,
  RingHistoryError,
  ringAt,
  ringPush,
  SettlementError,
  settlementError,
  stakeFilters,
  taskFilters,
  unlockSlot,
  voteWindow
} from '../../src/k2/settlement/index.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SOURCE = join(ROOT, 'protocols', 'settlement')

function ring(...entries: Array<[value: bigint, from: number]>): Ring {
  return entries.map(([value, from]) => ({ value, from }))
}

describe('settlement: the layer', () => {
  it('lives at the address that the spec derives', () => {
    const digest = createHash('sha256').update('koii-mesh/settlement/1').digest()
    expect(PROGRAM_ID).to.equal(new PublicKey(digest).toBase58())
  })

  it('numbers the refusals as the program and the spec do', () => {
    const here = Object.entries(REFUSALS).map(([name, { code }]) => `${name} ${code}`)
    const header = readFileSync(join(SOURCE, 'errors.h'), 'utf8')
    const inHeader: string[] = []
    let next = 0
    for (const [, name, number] of header.matchAll(/^ {2}(\w+Error) = (\d+)/gm)) {
      next = Number(number)
      inHeader.push(`${name} ${next}`)
    }
    const spec = readFileSync(join(SOURCE, 'README.md'), 'utf8')
    const inSpec = [...spec.matchAll(/^\| (\d+) +\| `(\w+Error)` +\|/gm)].map(([, number, name]) => `${name} ${number}`)
    expect(here).to.have.length(59)
    expect(inHeader).to.deep.equal(here)
    expect(inSpec).to.deep.equal(here)
  })

  it('names a refusal in every form in which web3.js gives one', () => {
    const custom = { InstructionError: [1, { Custom: 127 }] }
    const text = 'failed to send transaction: Transaction simulation failed: Error processing Instruction 1: custom program error: 0x7f'
    const logs = [`Program ${PROGRAM_ID} failed: custom program error: 0x7f`]
    for (const form of [
      custom,
      { err: custom },
      { value: { err: custom } },
      { value: { err: custom, logs } },
      text,
      new Error(text),
      new Error(`Transaction failed (${JSON.stringify(custom)})`),
      new SendTransactionError({ action: 'simulate', signature: '', transactionMessage: text, logs }),
      new REFUSALS.VoteTooEarlyError()
    ]) {
      const error = settlementError(form, PROGRAM_ID)
      expect(error, JSON.stringify(form)).to.be.instanceOf(REFUSALS.VoteTooEarlyError)
      expect(error).to.be.instanceOf(SettlementError)
      expect(error).to.include({ name: 'VoteTooEarlyError', code: 127 })
      expect(error?.message).to.match(/has not begun.*Send the vote again/)
    }
  })

  it('takes nothing else for a refusal', () => {
    const other = '11111111111111111111111111111111'
    const inner = { logs: [`Program ${other} failed: custom program error: 0x7f`], err: { InstructionError: [0, { Custom: 127 }] } }
    expect(settlementError(inner, PROGRAM_ID)).to.equal(undefined)
    for (const form of [
      undefined,
      null,
      127,
      '',
      {},
      new Error('fetch failed'),
      { InstructionError: [0, { Custom: 1 }] },
      { InstructionError: [0, 'InvalidAccountData'] },
      'BlockhashNotFound'
    ]) {
      expect(settlementError(form, PROGRAM_ID)).to.equal(undefined)
    }
  })

  it('makes filters that K2 understands', () => {
    const [size, kind] = taskFilters() as [{ dataSize: number }, { memcmp: { offset: number; bytes: string } }]
    expect([size.dataSize, kind.memcmp.offset, ...bs58.decode(kind.memcmp.bytes)]).to.deep.equal([1280, 0, 1])
    const filters = stakeFilters({ task: PROGRAM_ID, staker: PROGRAM_ID }) as Array<{ memcmp: { offset: number; bytes: string } }>
    expect([...bs58.decode(filters[1]!.memcmp.bytes)]).to.deep.equal([2])
    expect(filters.slice(2)).to.deep.equal([{ memcmp: { offset: 8, bytes: PROGRAM_ID } }, { memcmp: { offset: 40, bytes: PROGRAM_ID } }])
  })

  it('tells what an instruction does by its first byte', () => {
    expect(instructionName(Uint8Array.of(9, 1))).to.equal('vote')
    expect(instructionName(Uint8Array.of(0))).to.equal('createTask')
    expect(instructionName(Uint8Array.of(13))).to.equal(undefined)
    expect(instructionName(new Uint8Array())).to.equal(undefined)
  })
})

describe('settlement: weights', () => {
  it('a ring answers as a full history would, for the cycles that are open', () => {
    const change = fc.record({ round: fc.nat(2), value: fc.bigInt(0n, 1n << 64n) })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        let kept = EMPTY_RING
        let round = -1
        const history = [{ from: 0, value: 0n }]
        for (const { round: later, value } of changes) {
          round += later
          kept = ringPush(kept, round + 1, value)
          history.push({ from: round + 1, value })
          expect(kept).to.have.length(4)
          for (let cycle = Math.max(0, round - 2); cycle <= round + 3; cycle++) {
            expect(ringAt(kept, cycle)).to.equal(history.findLast(({ from }) => from <= cycle)!.value)
          }
        }
      })
    )
  })

  it('the largest slash is a share of what a stake holds, rounded down; a bundle is run from its cycle on', () => {
    const of = (largestSlash: number, holds: bigint) => largestSlashOf({ largestSlash }, holds)
    expect([of(1000, 9n), of(1000, 10n), of(0, 10n ** 18n), of(10_000, 2n ** 64n - 1n), of(3333, 10_001n)]).to.deep.equal([
      0n,
      1n,
      0n,
      2n ** 64n - 1n,
      3333n
    ])
    const times = { startingSlot: 100, roundSlots: 30 }
    expect([99, 100, 129, 130].map((slot) => bundleCycle({ ...times, bundleNotice: 8 }, slot))).to.deep.equal([7, 8, 8, 9])
    expect([99, 100].map((slot) => bundleCycle({ ...times, bundleNotice: 1 }, slot))).to.deep.equal([0, 1])
    const [bundle, formerBundle] = [
      { cid: 'new', from: 9 },
      { cid: 'old', from: 0 }
    ]
    expect([0, 8, 9].map((cycle) => bundleOf({ bundle, formerBundle }, cycle).cid)).to.deep.equal(['old', 'old', 'new'])
    expect(bundleOf({ bundle, formerBundle: undefined }, 3).cid).to.equal('new')
    // the default leaves time: unstaked a round after the news, a stake is out before the first cycle of the bundle
    const news = 100 + 3 * 30 + 29
    const out = unlockSlot(times, news + 30)
    expect(out).to.be.at.most(100 + 30 * bundleCycle({ ...times, bundleNotice: DEFAULT_BUNDLE_NOTICE }, news))
  })

  it('a ring says when it does not know', () => {
    const full = ring([5n, 9], [4n, 8], [3n, 7], [2n, 6])
    expect(ringAt(full, 6)).to.equal(2n)
    expect(() => ringAt(full, 5)).to.throw(RingHistoryError, 'from cycle 6 on')
  })

  it('a bounty is the round’s, or what is left, reckoned from before the cycle', () => {
    const task = { bounty: ring([100n, 0]), funded: ring([250n, 0]), totalRewards: 0n }
    expect(bountyFor(task, 0)).to.equal(100n)
    expect(bountyFor({ ...task, totalRewards: 180n, finalized: { cycle: 3 }, tally: { cycle: 3, baseRewards: 90n } }, 4)).to.equal(70n)
    const open = { ...task, totalRewards: 180n, finalized: { cycle: 3 }, tally: { cycle: 3, baseRewards: 90n } }
    expect([baseRewards(open, 3), bountyFor(open, 3)]).to.deep.equal([90n, 100n])
    expect(() => bountyFor(open, 2)).to.throw(RingHistoryError)
    expect(bountyFor({ ...open, tally: { cycle: 5, baseRewards: 180n } }, 5)).to.equal(70n)
    expect(() => bountyFor({ ...open, finalized: { cycle: 5 }, tally: { cycle: 5, baseRewards: 180n } }, 4)).to.throw(RingHistoryError)
    // the tally is believed of one endpoint: what it lies about it changes nothing while the cycle is open
    for (const tally of [undefined, { cycle: 4, baseRewards: 0n }, { cycle: 4, baseRewards: 250n }, { cycle: 900, baseRewards: 0n }]) {
      expect(bountyFor({ ...open, tally }, 4)).to.equal(70n)
    }
  })

  it('counts cycles and windows in slots', () => {
    const task = { startingSlot: 100, roundSlots: 30 }
    expect([99, 100, 129, 130].map((slot) => cycleAt(task, slot))).to.deep.equal([-1, 0, 0, 1])
    expect([0, 99, 100, 129, 130].map((slot) => effectiveCycle(task, slot))).to.deep.equal([0, 0, 1, 1, 2])
    expect(voteWindow(task, 0)).to.deep.equal({ firstSlot: 160, lastSlot: 189 })
    expect([hasQuorum(2n, 3n), hasQuorum(3n, 4n), hasQuorum(0n, 0n)]).to.deep.equal([false, true, false])
  })
})

describe('settlement: building the program', () => {
  const built = readFileSync(join(SOURCE, 'settlement.so'))

  it('links nothing that is no BPF object', () => {
    expect(() => linkSbf(new Uint8Array(10))).to.throw(LinkError, 'not an ELF object')
    // the finished program is for BPF, but no relocatable object
    expect(() => linkSbf(built)).to.throw(LinkError)
  })

  describe('with clang 14', () => {
    let work: string

    before(function () {
      if (spawnSync('clang-14', ['--version']).status !== 0) {
        this.skip() // npm run build:program installs it
      }
      work = mkdtempSync(join(tmpdir(), 'settlement-'))
      cpSync(SOURCE, join(work, 'protocols', 'settlement'), { recursive: true })
      for (const script of ['build-program.ts', 'link-sbf.ts']) {
        cpSync(join(ROOT, 'scripts', script), join(work, 'scripts', script))
      }
      writeFileSync(join(work, 'package.json'), '{"type":"module"}')
    })

    after(() => {
      if (work != null) {
        rmSync(work, { recursive: true })
      }
    })

    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(work, 'scripts', 'build-program.ts'), ...args], { encoding: 'utf8' })

    it('the committed program is what its source gives, wherever that lies', () => {
      const { status, stderr } = run('--check')
      expect(status, stderr).to.equal(0)
    })

    it('a program of other sources is told from it', () => {
      const bent = Uint8Array.from(built)
      bent[300]! ^= 1
      writeFileSync(join(work, 'protocols', 'settlement', 'settlement.so'), bent)
      const { status, stderr } = run('--check')
      expect(stderr).to.include('is not what its source gives')
      expect(status).to.equal(1)
    })

    it('a variable of the program’s own is refused by name', () => {
      const source = join(work, 'variable.c')
      writeFileSync(source, 'static int count;\nint entrypoint(char *input) { count += *input; return count; }\n')
      spawnSync('clang-14', ['-target', 'bpfel', '-O2', '-c', source, '-o', join(work, 'variable.o')])
      expect(() => linkSbf(readFileSync(join(work, 'variable.o')))).to.throw(LinkError, '.bss is writable')
    })
  })
})
