/**
 * # loader
 *
 * Programs on a cluster, through JSON-RPC alone: deploying and upgrading them with the upgradeable loader, and comparing what a
 * cluster runs with what a file holds.
 *
 * ```ts
 * const cluster = createCluster('http://127.0.0.1:8899')
 * const { programId } = await deployProgram({ cluster, payer, program: { address: key.address, signer: key }, elf })
 * const program = await readProgram(cluster, programId)
 * const { equal } = compareElf(program!, elf)
 * ```
 */
export { hashOfElf, programDataAddress, UPGRADEABLE_LOADER } from './accounts.ts'
export { type Cluster, createCluster } from './cluster.ts'
export { type Deployed, type DeployInit, deployProgram } from './deploy.ts'
export { ProgramAccountError, ProgramDeployError } from './errors.ts'
export { type Comparison, compareElf, type DeployedProgram, readProgram } from './programs.ts'
