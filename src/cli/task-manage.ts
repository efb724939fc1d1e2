/** What a manager does with a task that exists, and funding, which is anyone's. */

import { Command } from 'commander'
import { cycleAt } from '../clock/index.ts'
import { commandLine } from '../command/index.ts'
import { amountOf, roeToKoii } from '../config/index.ts'
import {
  closeTask,
  effectiveCycle,
  fundTask,
  isSettled,
  ringAt,
  type StakeAccount,
  type TaskAccount,
  updateTask
} from '../k2/settlement/index.ts'
import { bundleAt, describeBundle, paramsCid } from '../node/index.ts'
import { type K2Options, k2Flags, k2Of, signerFrom, withK2 } from './chain.ts'
import { answer, DEFAULT_WALLET, example, PARAMS_OPTION, sayOnce, UsageError } from './common.ts'
import { fees, payFor } from './money.ts'
import { fixedParams, givenParams, type ParamsOptions, paramsLine } from './params.ts'
import { roundsOf } from './terms.ts'

interface ManageOptions extends K2Options {
  wallet: string
}

const base = (name: string, whose: string) =>
  withK2(new Command(name)).argument('<id>', 'address of the task').option('--wallet <file>', whose, DEFAULT_WALLET)

export function fundCommand(): Command {
  return base('fund', 'who pays')
    .description('put money into the pot of a task; anyone may')
    .requiredOption('--amount <koii>', 'how much')
    .addHelpText('after', example('koii-mesh task fund 9xQe... --amount 500 --wallet ./wallet.json'))
    .action(async (id: string, options: ManageOptions & { amount: string }) => {
      const amount = amountOf(options.amount, '--amount')
      const k2 = k2Of(options)
      await k2.task(id)
      const wallet = await signerFrom(options.wallet)
      const instruction = fundTask({ task: id, payer: wallet.address, amount, programId: options.program })
      const costs = async () => [{ what: 'for the pot', roe: amount }, fees(1)]
      const { signature } = await payFor(k2, { payer: wallet.address, costs, mayAirdrop: false }, () => k2.send([instruction], [wallet]))
      const after = await k2.task(id)
      const from = after.funded[0]!.from
      answer(options.json, { task: id, amount, funded: after.funded[0]!.value, countsFromCycle: from, signature }, [
        `${roeToKoii(amount)} KOII added, for cycles from ${from} on`
      ])
    })
}

export function updateCommand(): Command {
  return base('update', 'key file of the manager')
    .description('change a task: the bounty from the next cycle on, the bundle after the task’s notice, the minimum stake at once')
    .option('--bounty <koii>', 'paid per round, at most')
    .option('--min-stake <koii>', 'the least that a node must stake')
    .option('--bundle <path>', 'a new bundle: a JavaScript module, or the name of a built-in one')
    .option(...PARAMS_OPTION)
    .addHelpText('after', example('koii-mesh task update 9xQe... --bounty 20 --wallet ./wallet.json'))
    .action(async (id: string, options: ManageOptions & ParamsOptions & { bounty?: string; minStake?: string; bundle?: string }) => {
      if (options.bounty == null && options.minStake == null && options.bundle == null) {
        throw new UsageError(
          options.params == null
            ? 'nothing to change: give --bounty, --min-stake or --bundle'
            : '--params are a part of the bundle: give that, too, with --bundle'
        )
      }
      const k2 = k2Of(options)
      const task = await k2.task(id)
      const wallet = await signerFrom(options.wallet)
      const slot = await k2.connection.getSlot()
      const params = options.bundle == null ? undefined : givenParams(options)
      const bundle = options.bundle == null ? undefined : (await describeBundle(bundleAt(options.bundle), params ?? null)).cid
      if (bundle != null && params == null) {
        await checkKept(task, await k2.stakes(id), options)
      }
      const bounty = options.bounty == null ? task.bounty[0]!.value : amountOf(options.bounty, '--bounty')
      const minStake = options.minStake == null ? task.minStake : amountOf(options.minStake, '--min-stake')
      const { signature } = await k2.send(
        [
          updateTask({
            task: id,
            manager: wallet.address,
            bountyPerRound: bounty,
            minStake,
            ...(bundle == null ? {} : { bundle }),
            programId: options.program
          })
        ],
        [wallet]
      )
      // as K2 has it: a round may have ended while this was sent
      const after = await k2.task(id)
      const bountyFrom = Math.max(after.bounty[0]!.from, effectiveCycle(task, slot))
      const from = bundle == null ? bountyFrom : after.bundle.from
      const facts = { bountyPerRound: bounty, bountyFromCycle: bountyFrom, minStake, bundle: bundle ?? task.bundle.cid, fromCycle: from }
      const digest = params == null ? null : await paramsCid(params)
      answer(options.json, { task: id, ...facts, ...(bundle == null ? {} : { paramsCid: digest }), signature }, [
        `bounty     ${roeToKoii(bounty)} KOII a round (until then ${roeToKoii(ringAt(task.bounty, Math.max(0, cycleAt(task, slot))))}), from cycle ${bountyFrom} on`,
        `min stake  ${roeToKoii(minStake)} KOII, from now on`,
        `bundle     ${facts.bundle}${bundle == null ? '' : `, from cycle ${from} on, after a notice of ${roundsOf(task.bundleNotice)}: serve it from a node of yours until others have it`}`,
        ...(params == null ? [] : [`params     ${digest} ${params.text}, with that bundle`])
      ])
    })
}

/**
 * Whether a bundle without parameters would drop some that the task fixes: every node would then run without.
 *
 * @throws UsageError
 */
async function checkKept(task: TaskAccount, stakes: StakeAccount[], options: ManageOptions): Promise<void> {
  const fixed = await fixedParams(task.bundle.cid, stakes, options)
  if (fixed.known && fixed.params != null) {
    throw new UsageError(
      `the task fixes params (${await paramsLine(fixed)}), and the new bundle would have none: give them again with --params, the same or others, or --params '{}'`
    )
  }
  if (!fixed.known) {
    sayOnce(`whether the task fixes params now is not known (${fixed.why}): the new bundle fixes none, as --params was not given`)
  }
}

export function closeCommand(): Command {
  return base('close', 'key file of the manager, who gets what is left')
    .description('close a task: no work from the next cycle on. Three rounds later, again: what is nobody’s reward comes back')
    .addHelpText('after', example('koii-mesh task close 9xQe... --wallet ./wallet.json'))
    .action(async (id: string, options: ManageOptions) => {
      const k2 = k2Of(options)
      const task = await k2.task(id)
      const wallet = await signerFrom(options.wallet)
      const slot = await k2.connection.getSlot()
      if (task.closedFrom != null && !isSettled(task, slot)) {
        const at = task.startingSlot + (task.closedFrom + 2) * task.roundSlots
        throw new UsageError(`the task is closed, and its last cycle may be voted on until slot ${at} (it is ${slot}): close again then`)
      }
      const before = await k2.balance(id)
      const { signature } = await k2.send([closeTask({ task: id, manager: wallet.address, programId: options.program })], [wallet])
      const after = await k2.task(id)
      const paid = before - (await k2.balance(id))
      const settledFrom = after.startingSlot + (after.closedFrom! + 2) * after.roundSlots
      answer(options.json, { task: id, closedFromCycle: after.closedFrom, settledFromSlot: settledFrom, paid, signature }, [
        task.closedFrom == null
          ? `no work from cycle ${after.closedFrom} on; what is left can be had from slot ${settledFrom} on (it is ${slot}): ${commandLine(['task', 'close', id], { ...k2Flags(options), wallet: options.wallet })}`
          : `${roeToKoii(paid)} KOII paid to ${wallet.address}; what stakers may still claim stays`
      ])
    })
}
