/** Each row of what the mesh has to stand, over some seeds of every run; `npm run sim:long` takes thousands of each. */
import { expect } from 'chai'
import { realKeys } from './keys.ts'
import { ROWS, runRow } from './rows.ts'
import { TWO_FACED } from './rows-twofaced.ts'

const SHIFT = Number(process.env.KOII_MESH_SIM_SHIFT ?? 0)
const SEEDS = 12

describe('sim: what the mesh has to stand', () => {
  for (const row of ROWS) {
    it(`${row.name}: ${row.promise}`, async () => {
      for (let seed = 1 + SHIFT; seed <= (row.seeds ?? SEEDS) + SHIFT; seed++) {
        const { world, faults } = await runRow(row, seed)
        expect(faults, `npm run sim -- --faults '${row.name}' --seed ${seed}\n${world.table()}`).to.deep.equal([])
      }
    }).timeout(5 * 60_000)
  }

  for (const row of TWO_FACED) {
    it(`${row.name}, with real signatures, and every node decoding for itself`, async () => {
      const real = { ...row, world: (seed: number) => ({ ...row.world(seed, 7), keys: realKeys, thorough: true }) }
      const { world, faults } = await runRow(real, 1 + SHIFT)
      expect(faults, world.table()).to.deep.equal([])
    }).timeout(60_000)
  }
})
