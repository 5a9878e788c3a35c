// Evaluates questions to IAM: reads {policies, questions} as JSON, writes one word for each question.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

// AWS's own documents and parameters have an ARN without an account, which the evaluator does not know.
const text = readFileSync(0, 'utf8').replaceAll(/:ssm:([\w*-]+)::/g, ':ssm:$1:000000000000:')
const { account, policies, questions } = JSON.parse(text)

async function evaluate({ policy, action, resource, context }) {
  const answer = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${account}:user/operator`,
        action,
        resource: { resource, accountId: account },
        contextVariables: context
      },
      identityPolicies: [{ name: 'policy', policy: policies[policy] }],
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  if (answer.resultType === 'error') return `error: ${JSON.stringify(answer.errors)}`
  const ignored = answer.result?.ignoredContextKeys ?? []
  return ignored.length ? `error: no condition key of ${action}: ${ignored}` : answer.overallResult
}

const answers = []
for (const question of questions) answers.push(await evaluate(question))
process.stdout.write(JSON.stringify(answers))
