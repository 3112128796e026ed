import { writePrivateJson } from '../chain/private-file.js';
import type { SupervisedProcess } from '../processes.js';
import type { Places } from './chain-view.js';
import type { DemoFolder, DemoState } from './demo-state.js';
import type { DemoStore } from './demo-store.js';

/** `fleet.json`: contract with whoever drives the chain from outside. Written again when a process was. */
export function writeFleet(
  folder: DemoFolder,
  hub: SupervisedProcess,
  databaseUrl: string,
  stores: readonly DemoStore[],
): void {
  writePrivateJson(folder.file('fleet.json'), {
    hub: { url: hub.url, pid: hub.pid, databaseUrl },
    edges: stores.map(({ code, box, control }) => ({
      branch: code,
      url: box.url,
      pid: box.pid,
      database: folder.edgeDatabase(code),
      line: control.url,
    })),
  });
}

/** `sign-ins.json`, for its owner alone. @returns what is told of it */
export function writeSignIns(
  folder: DemoFolder,
  hubUrl: string,
  { headOffice, branches }: DemoState,
  stores: readonly DemoStore[],
  linkCode: string,
): Places {
  const urls = new Map(stores.map(({ code, box }) => [code, box.url]));
  // In the fragment: no server and no log sees it.
  const open = `${hubUrl}/#sign-in=${linkCode}`;
  const signIns = {
    open,
    headOffice: { url: hubUrl, ...headOffice },
    branches: branches.map(({ code, name, tills, operators }) => {
      const [first] = tills;
      // One till is enough for whoever wants to sell by hand.
      return { branch: code, name, url: urls.get(code) ?? '', ...first, tills, operators };
    }),
  };
  writePrivateJson(folder.file('sign-ins.json'), signIns);
  return {
    open,
    headOffice: signIns.headOffice,
    stores: signIns.branches,
    fleetFile: folder.file('fleet.json'),
    signInsFile: folder.file('sign-ins.json'),
  };
}
