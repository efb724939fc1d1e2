import { Keypair, Message, PublicKey, SystemProgram, TransactionMessage, VersionedTransaction } from '@solana/web3.js'
import bs58 from 'bs58'
import { expect } from 'chai'
import fc from 'fast-check'
import { keyPairFromSeed } from '../../src/identity/index.ts'
import { parseJson, stringifyJson } from '../../src/k2/json.ts'
import { encodeBase58 } from '../../src/local-k2/base58.ts'
import { MalformedTransactionError } from '../../src/local-k2/errors.ts'
import { decodeTransaction, isWritable } from '../../src/local-k2/transaction.ts'
import { signTransfer } from '../../src/local-k2/transfer.ts'

describe('local K2: bytes and text', () => {
  it('writes base58 as the reference codec does', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => encodeBase58(bytes) === bs58.encode(bytes)))
    fc.assert(
      fc.property(fc.nat(40), fc.uint8Array({ maxLength: 40 }), (zeros, rest) => {
        const bytes = Uint8Array.of(...new Uint8Array(zeros), ...rest)
        return encodeBase58(bytes) === bs58.encode(bytes)
      })
    )
  })

  it('keeps integers of 64 bits exact through JSON', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        expect(BigInt((parseJson(stringifyJson({ value })) as { value: number | bigint }).value)).to.equal(value)
      })
    )
    expect(stringifyJson({ rentEpoch: 2n ** 64n - 1n })).to.equal('{"rentEpoch":18446744073709551615}')
    expect(parseJson('{"text":"12345678901234567890","ratio":1.5}')).to.deep.equal({ text: '12345678901234567890', ratio: 1.5 })
  })

  const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new PublicKey(bytes))
  const instruction = fc.record({
    programId: key,
    keys: fc.array(fc.record({ pubkey: key, isSigner: fc.constant(false), isWritable: fc.boolean() }), { maxLength: 6 }),
    data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
  })
  const transaction = fc
    .record({ payer: key, blockhash: key, instructions: fc.array(instruction, { maxLength: 3 }), versioned: fc.boolean() })
    .map(({ payer, blockhash, instructions, versioned }) => {
      const message = new TransactionMessage({ payerKey: payer, recentBlockhash: blockhash.toBase58(), instructions })
      return new VersionedTransaction(versioned ? message.compileToV0Message() : message.compileToLegacyMessage())
    })

  it('takes transactions apart as web3.js puts them together', () => {
    fc.assert(
      fc.property(transaction, (built) => {
        const bytes = built.serialize()
        const wire = decodeTransaction(bytes)
        expect(wire.version).to.equal(built.version)
        expect(wire.blockhash).to.equal(built.message.recentBlockhash)
        expect(wire.keys.map((bytes) => new PublicKey(bytes).toBase58())).to.deep.equal(built.message.staticAccountKeys.map(String))
        expect(wire.keys.map((_, i) => isWritable(wire, i))).to.deep.equal(
          built.message.staticAccountKeys.map((_, i) => built.message.isAccountWritable(i))
        )
        expect(wire.instructions.map(({ program, accounts, data }) => [program, accounts, [...data]])).to.deep.equal(
          built.message.compiledInstructions.map(({ programIdIndex, accountKeyIndexes, data }) => [
            programIdIndex,
            [...accountKeyIndexes],
            [...data]
          ])
        )
        expect(bs58.encode(bytes.slice(wire.blockhashOffset, wire.blockhashOffset + 32))).to.equal(wire.blockhash)
      })
    )
  })

  it('refuses bytes that end early, go on too long or refer out of bounds', () => {
    fc.assert(
      fc.property(transaction, fc.nat(), (built, cut) => {
        const bytes = built.serialize()
        expect(() => decodeTransaction(bytes.slice(0, cut % bytes.length))).to.throw(MalformedTransactionError)
        expect(() => decodeTransaction(Uint8Array.of(...bytes, 0))).to.throw(MalformedTransactionError)
      })
    )
    const bytes = signTransfer({
      from: keyPairFromSeed(new Uint8Array(32)),
      to: new Uint8Array(32).fill(7),
      lamports: 1n,
      blockhash: SystemProgram.programId.toBase58()
    })
    expect(decodeTransaction(bytes).instructions).to.have.length(1)
    const programAt = bytes.length - 17
    expect(bytes[programAt]).to.equal(2)
    for (const program of [0, 3, 255]) {
      const wrong = Uint8Array.from(bytes)
      wrong[programAt] = program
      expect(() => decodeTransaction(wrong)).to.throw(MalformedTransactionError, 'refers to a key')
    }
  })

  it('never fails on random bytes with anything but its own error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          decodeTransaction(bytes)
        } catch (err) {
          expect(err).to.be.instanceOf(MalformedTransactionError)
        }
      }),
      { numRuns: 1000 }
    )
  })

  it('signs transfers that web3.js reads and verifies', () => {
    const from = keyPairFromSeed(new Uint8Array(32).fill(1))
    const to = Keypair.generate().publicKey
    for (const [receiver, unitLimit] of [
      [to, undefined],
      [to, 777],
      [new PublicKey(from.publicKey), undefined],
      [new PublicKey(from.publicKey), 5]
    ] as const) {
      const bytes = signTransfer({ from, to: receiver.toBytes(), lamports: 123n, blockhash: to.toBase58(), unitLimit })
      const read = VersionedTransaction.deserialize(bytes)
      expect(read.message).to.be.instanceOf(Message)
      const decompiled = TransactionMessage.decompile(read.message)
      const [system] = decompiled.instructions.slice(-1)
      expect(system!.programId.equals(SystemProgram.programId)).to.equal(true)
      expect(system!.keys.map(({ pubkey }) => pubkey.toBase58())).to.deep.equal([from.address, receiver.toBase58()])
      expect(system!.data.readBigUInt64LE(4)).to.equal(123n)
      expect(decompiled.instructions).to.have.length(unitLimit === undefined ? 1 : 2)
    }
  })
})
