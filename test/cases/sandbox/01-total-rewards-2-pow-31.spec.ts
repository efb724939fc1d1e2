// every amount that the program on K2 accepts survives a proposal and a vote, signed, sent and read
import { expect } from 'chai'
import { verifyEd25519 } from '../../../src/identity/index.ts'
import { type Body, open, verifySignature } from '../../../src/wire/index.ts'
import { U64_EDGES } from '../../edges.ts'
import { alice, cidBytes, NETWORK } from '../../wire/people.ts'

const AMOUNTS = [...U64_EDGES.map(([, value]) => value), 2_500_000_000n, 2_999_999_997n]

describe('case sandbox/01: total rewards at and past 2^31 ROE', () => {
  for (const totalRewards of AMOUNTS) {
    it(`${totalRewards} is proposed and voted`, async () => {
      const root = new Uint8Array(32).fill(3)
      const bodies: Body[] = [
        { cycle: 3, slot: 151, record: { cid: cidBytes('record'), root, totalRewards, attempt: 1 } },
        { cycle: 3, slot: 153, vote: { root, recordDigest: root, totalRewards, signature: new Uint8Array(64).fill(5) } }
      ]
      for (const body of bodies) {
        const heard = open((await alice.says(body)).bytes, NETWORK)
        expect(heard.body).to.deep.equal(body)
        expect(verifySignature(heard, NETWORK, verifyEd25519)).to.equal(true)
      }
    })
  }
})
