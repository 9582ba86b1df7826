// What the agent has to answer, worked out a second time and as simply as it can be said: from the
// role, the globs, the actions, and an estate of which only names, edges and what runs are known.
// Nothing here asks the agent.

export const rank = { none: 0, viewer: 1, operator: 2, admin: 3 };
export const actions = ['stop', 'start', 'restart', 'reload', 'pause', 'continue'];

// estate: { services: { NAME: { needs, up, disabled, reloads, isProtected } }, groups: { NAME: [...] } }
export class Model {
  constructor(estate) {
    this.services = estate.services;
    this.groups = estate.groups;
    this.names = Object.keys(estate.services).sort();
  }

  // who: { role, globs, actions }
  sees(who, name) {
    return who.globs.length === 0 || who.globs.some((glob) =>
      new RegExp(`^${glob.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 'i').test(name));
  }

  visible(who) {
    return this.names.filter((name) => this.sees(who, name));
  }

  visibleGroups(who) {
    return Object.keys(this.groups).filter((group) => this.groups[group].some((name) => this.sees(who, name)));
  }

  // Everything that no answer may say to this caller unasked.
  secrets(who) {
    return [...this.names.filter((name) => !this.sees(who, name)),
      ...Object.keys(this.groups).filter((group) => !this.visibleGroups(who).includes(group))];
  }

  closure(names, next) {
    const all = new Set();
    for (const open = [...names]; open.length > 0;) {
      for (const name of next(open.pop())) if (!all.has(name)) open.push(name) && all.add(name);
    }
    return all;
  }

  dependents(names) {
    return this.closure(names, (of) => this.names.filter((name) => this.services[name].needs.includes(of)));
  }

  dependencies(names) {
    return this.closure(names, (of) => this.services[of].needs);
  }

  // { stops, starts } or { refused: [status, code] }
  plan(action, names, byGroup) {
    const up = (name) => this.services[name].up;
    if (['reload', 'pause', 'continue'].includes(action)) {
      const able = (name) => up(name) && (action !== 'reload' || this.services[name].reloads);
      if (!byGroup && names.some((name) => !able(name))) return { refused: [409, 'control_not_accepted'] };
      return { stops: [], starts: [] };
    }
    let stops = [];
    let starts = action === 'start' ? names.filter((name) => !up(name)) : [];
    if (action !== 'start') {
      const roots = names.filter(up);
      stops = [...new Set([...roots, ...[...this.dependents(roots)].filter(up)])];
      if (action === 'restart') starts = [...new Set([...(byGroup ? [] : names), ...stops])];
    }
    starts = [...new Set([...starts, ...[...this.dependencies(starts)].filter((name) => !up(name))])];
    const disabled = starts.find((name) => this.services[name].disabled);
    if (disabled && !(byGroup && names.includes(disabled))) return { refused: [409, 'service_disabled'], about: disabled };
    return { stops, starts };
  }

  // The answer to a job: { status, code } and, where a plan is shown, `plan`.
  job(who, { action, names, group, consent = false, reason = false, dry = false }) {
    if (rank[who.role] < (dry ? rank.viewer : rank.operator)) return { status: 403, code: 'forbidden' };
    const mayDo = rank[who.role] >= rank.operator && (who.actions.length === 0 || who.actions.includes(action));
    if (!dry && !mayDo) return { status: 403, code: 'forbidden' };
    if (group !== undefined) {
      if (!this.visibleGroups(who).includes(group)) return { status: 404, code: 'unknown_group' };
    } else {
      for (const name of names) {
        if (!this.sees(who, name)) return { status: 403, code: 'forbidden' };
        if (!this.services[name]) return { status: 404, code: 'unknown_service' };
      }
    }
    const named = group === undefined ? names : this.groups[group];
    const plan = this.plan(action, named, group !== undefined);
    if (plan.refused) {
      // Of a service that it may not see it must not learn that it is disabled.
      return plan.about && !this.sees(who, plan.about) ? { status: 403, code: 'forbidden' } : { status: plan.refused[0], code: plan.refused[1] };
    }
    if ([...named, ...plan.stops, ...plan.starts].some((name) => !this.sees(who, name))) return { status: 403, code: 'forbidden' };
    const refusal = !reason && plan.stops.some((name) => this.services[name].isProtected) ? { status: 422, code: 'reason_required' }
      : !consent && plan.stops.some((name) => !named.includes(name)) ? { status: 409, code: 'dependents_running' } : null;
    if (dry) return { status: 200, code: undefined, plan, would: mayDo ? refusal ?? { status: 202, code: null } : { status: 403, code: 'forbidden' } };
    return refusal ?? { status: 202, code: undefined, plan };
  }
}
