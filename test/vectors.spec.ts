/** The vectors of each protocol whose walker starts nothing, and that no protocol and no walker is left out. */
import { join } from 'node:path'
import { expect } from 'chai'
import { importsOf } from '../scripts/lanes/reach.ts'
import { describeVectors, protocolsWithVectors, walkerFiles } from './walk-vectors.ts'

describe('vectors', () => {
  describeVectors({
    audit: () => import('./vectors/audit.ts'),
    gossip: () => import('./gossip/vectors.ts'),
    hello: () => import('./hello/vectors.ts'),
    record: () => import('./vectors/record.ts'),
    rounds: () => import('./vectors/rounds.ts'),
    sync: () => import('./sync/vectors.ts'),
    wire: () => import('./vectors/wire.ts')
  })

  it('has a walker for each protocol, and vectors for each walker', () => {
    expect([...walkerFiles().keys()], 'write test/vectors/PROTOCOL.ts').to.have.members(protocolsWithVectors())
  })

  it('walks with all of them, here or in vectors-apart', () => {
    const imported = ['vectors.spec.ts', 'vectors-apart.spec.ts'].flatMap((spec) => importsOf(join(import.meta.dirname, spec)))
    expect(imported).to.include.members([...walkerFiles().values()])
  })
})
