import { ClaimLost } from '../../src/store/jobs.ts';
import { keyOf, ownerOf } from './azure/groups.ts';
import type { Call, Fate } from './calls.ts';
import { type Clients, names } from './clients.ts';
import { granting } from './policy.ts';
import type { Replica } from './replica.ts';
import { StoreOut } from './store/ports.ts';
import type { Job } from './store/queue.ts';
import { touch, type World } from './world.ts';

/** What may come next, how likely, and what it does: it returns how the trace tells it. */
type Step = readonly [weight: number, take: () => string];

/** Takes one step; false where nothing is due and time alone could bring more. */
export function takeStep(world: World, clients: Clients): boolean {
  const { random } = world;
  const steps = [...callSteps(world), ...jobSteps(world), ...lookSteps(world)];
  const more = world.troubled ? [...clientSteps(clients), ...aroundSteps(world), ...troubles(world)] : [];
  const all = [...steps, ...more];
  if (steps.length === 0 && !(all.length > 0 && random.chance(0.8))) return false;
  const told = random.weighed(all)();
  world.trace.add(`${stamp(world)} ${told}`);
  if (random.chance(0.5)) pass(world, random.below(200));
  return true;
}

const stamp = ({ time }: World) => `${((time.now() % 86_400_000) / 1_000).toFixed(3)} s`;

/** Lets time pass, and what has run out with it end. */
export function pass(world: World, ms: number): void {
  world.time.pass(ms);
  world.calls.expire();
  world.records.queue.expire();
}

/** When something is due next, of what is not waiting for a step. */
export function nextDue({ records, calls, time }: World): number | null {
  const { queue, looks } = records;
  const instants = [
    ...[...queue.all()].map(({ hold, dueAt }) => (hold ? hold.endsAt : dueAt)),
    ...[...looks.values()].map(({ dueAt }) => dueAt.getTime()),
    ...calls.inFlight().map(({ deadline }) => deadline),
  ].filter(at => at > time.now() && Number.isFinite(at));
  return instants.length > 0 ? Math.min(...instants) : null;
}

function callSteps(world: World): Step[] {
  return world.calls.inFlight().map(call => [isOrphan(call) ? 2 : 10, () => moveCall(world, call)]);
}

/** Nobody waits for it any more: it may still arrive. */
const isOrphan = ({ awaited, actor }: Call) => !awaited || !actor.alive;

function moveCall(world: World, call: Call): string {
  if (call.arrived) {
    call.answer();
    return `${call.actor.name} has its answer: ${call.what}`;
  }
  const fate = drawFate(world, call);
  const orphan = isOrphan(call);
  if (fate !== 'answered' || orphan) world.disturbances += 1;
  call.arrive(fate);
  const whole = world.random.chance(0.7);
  if (whole) call.answer();
  const whose = orphan ? `${call.actor.name}, for whom nobody waits` : call.actor.name;
  return `${whose}: ${call.what}: ${fate}${whole ? '' : ', its answer is under way'}`;
}

function drawFate({ random, troubled }: World, call: Call): Fate {
  if (isOrphan(call)) return random.chance(0.5) ? 'answered' : 'lost';
  if (!troubled) return 'answered';
  return random.weighed<Fate>([
    [call.refusable ? 88 : 97, 'answered'],
    [call.refusable ? 7 : 0, 'refused'],
    [call.refusable ? 3 : 1, 'answerLost'],
    [2, 'lost'],
  ]);
}

const mostAtOnce = 4;

function jobSteps(world: World): Step[] {
  const { queue } = world.records;
  const held = [...queue.all()].filter(({ hold }) => hold);
  const free = world.replicas.filter(
    replica => held.filter(({ hold }) => hold?.by === replica).length < mostAtOnce,
  );
  if (free.length === 0) return [];
  return queue.due().map(job => [8, () => takeJob(world, job, world.random.pick(free))]);
}

function takeJob(world: World, job: Job, replica: Replica): string {
  const { records } = world;
  const { queue } = records;
  const { claim } = queue.claim(job, replica);
  replica.advance(claim).then(
    () => queue.returned(claim),
    error => {
      queue.fail(claim);
      if (!(error instanceof StoreOut || error instanceof ClaimLost))
        world.faults.push(`a move failed: ${String(error)}`);
    },
  );
  const row = records.deployments.get(job.deployment);
  const attempt = claim.attempt > 0 ? `, attempt ${claim.attempt + 1}` : '';
  return `${replica.name} takes ${row ? `${row.name} (${row.status})` : 'a rotation'}${attempt}`;
}

const looking = new WeakSet<Replica>();

function lookSteps(world: World): Step[] {
  const { time, records, replicas } = world;
  const rows = [...records.deployments.values()];
  const observes = rows.some(row => row.holdsName && row.settled && row.liveRevision !== null);
  const due = [...records.looks.values()].some(({ dueAt }) => dueAt.getTime() <= time.now());
  if (!due && !(observes && records.looks.size === 0)) return [];
  return replicas
    .filter(replica => !looking.has(replica))
    .map(replica => [
      1,
      () => {
        looking.add(replica);
        const over = () => looking.delete(replica);
        replica.look(time.timeout(60_000)).then(over, over);
        return `${replica.name} looks at what runs`;
      },
    ]);
}

/** Nothing comes of it but that looks are brought forward. */
function aroundSteps({ replicas, time, records }: World): Step[] {
  if (![...records.deployments.values()].some(({ settled }) => !settled)) return [];
  return replicas.map(replica => [
    0.3,
    () => {
      replica.looks.lookAround(time.timeout(60_000)).catch(() => {});
      return `${replica.name} looks around`;
    },
  ]);
}

function clientSteps(clients: Clients): Step[] {
  return [
    [1.2, () => `a client asks: ${clients.ask()}`],
    [0.5, () => `a client asks: ${clients.askAgain() ?? 'nothing'}`],
  ];
}

function troubles(world: World): Step[] {
  const { random, records, supplies, groups } = world;
  const ours = groups.all().filter(group => ownerOf(group) && group.goneAt === null);
  const held = [...records.queue.all()].flatMap(({ hold }) => (hold ? [hold] : []));
  const disturb = (told: string) => {
    world.disturbances += 1;
    return told;
  };
  return [
    [0.25, () => kill(world)],
    [
      held.length > 0 ? 0.25 : 0,
      () => {
        const hold = random.pick(held);
        records.queue.lapse(hold);
        return disturb(`${hold.by.name} is not heard of, and works on`);
      },
    ],
    [
      ours.length > 0 ? 0.1 : 0,
      () => {
        const group = random.pick(ours);
        const how = random.pick(['deletes', 'untags'] as const);
        touch(world, group);
        groups.meddle(group, how);
        return disturb(`somebody else ${how} ${group.place.name}`);
      },
    ],
    [0.03, () => intrude(world)],
    [0.1, () => tell('a new version of the secret is stored', supplies.rotate)],
    [0.1, () => tell('tags mean other images', supplies.move)],
    [0.04, () => tell('the policy is another', world.turnPolicy)],
    [0.3, () => jump(world, random.pick([1_000, 10_000, 60_000, 300_000]))],
  ];
}

/** Somebody else makes a group where there is none. */
function intrude(world: World): string {
  const { subscription, resourceGroup } = granting.policy.targets.web ?? {
    subscription: '',
    resourceGroup: '',
  };
  const place = { subscription, resourceGroup, name: world.random.pick(names) };
  if (world.groups.at(place)) return 'somebody else looks around';
  world.groups.intrude(place);
  world.touched.add(keyOf(place));
  return `somebody else makes ${place.name}`;
}

function tell(told: string, act: () => void): string {
  act();
  return told;
}

function jump(world: World, mostMs: number): string {
  const ms = world.random.below(mostMs);
  pass(world, ms);
  return `${ms} ms pass`;
}

/** All that it was at is abandoned; its claims end when its heart is missed. */
function kill(world: World): string {
  const replica = world.random.pick(world.replicas);
  const { queue } = world.records;
  for (const { hold } of queue.all()) if (hold?.by === replica) queue.lapse(hold);
  world.restart(replica);
  world.disturbances += 1;
  return `${replica.name} is killed`;
}
