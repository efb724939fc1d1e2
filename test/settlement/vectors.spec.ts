import { walk } from './vectors.ts'

describe('settlement: vectors', () => {
  walk()
})
