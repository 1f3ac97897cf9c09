// Every user gets the same share of the server, however many requests one of them has waiting (API priority and fairness, with users as flows).
import { tooManyRequests } from "../status.ts";

/** Requests that the server works on, and those that wait for their turn. */
export interface FairShare {
  /** Resolves when it is the request's turn; what it gives back must be called once, when the request is done. Throws 429. */
  enter(user: string): Promise<() => void>;
  readonly working: number;
  readonly waiting: number;
}

export interface FairShareLimits {
  /** Requests worked on at once. */
  readonly seats: number;
  /** Of these, what one user may have: who sends bodies byte by byte never has them all. */
  readonly seatsOfUser: number;
  /** Requests of one user that may wait. */
  readonly waitingOfUser: number;
  /** Requests of all users that may wait. */
  readonly waiting: number;
}

/** Enough for a group commit to be worth its disk write, few enough for a newcomer to be served within some milliseconds. */
const LIMITS: FairShareLimits = { seats: 64, seatsOfUser: 48, waitingOfUser: 2000, waiting: 10_000 };
const TOO_MANY = "too many requests, please try again later";

type Start = () => void;

export function fairShare({ seats, seatsOfUser, waitingOfUser, waiting: most }: FairShareLimits = LIMITS): FairShare {
  /** Users with waiting requests, in the order of their turns. */
  const lines = new Map<string, Start[]>();
  const seated = new Map<string, number>();
  let working = 0;
  let waiting = 0;

  const isFree = (user: string): boolean => working < seats && (seated.get(user) ?? 0) < seatsOfUser;
  const seat = (user: string): void => {
    working++;
    seated.set(user, (seated.get(user) ?? 0) + 1);
  };
  const next = (): void => {
    for (const [user, line] of lines) {
      if (!isFree(user)) continue;
      const start = line.shift();
      lines.delete(user);
      // The others come first now.
      if (line.length > 0) lines.set(user, line);
      waiting--;
      seat(user);
      start?.();
      return;
    }
  };
  const leaver = (user: string): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      working--;
      const others = (seated.get(user) ?? 0) - 1;
      if (others > 0) seated.set(user, others);
      else seated.delete(user);
      next();
    };
  };
  return {
    get working() {
      return working;
    },
    get waiting() {
      return waiting;
    },
    async enter(user) {
      const line = lines.get(user) ?? [];
      if (line.length === 0 && isFree(user)) {
        seat(user);
        return leaver(user);
      }
      if (line.length >= waitingOfUser || waiting >= most) throw tooManyRequests(TOO_MANY, 1);
      lines.set(user, line);
      waiting++;
      await new Promise<void>((start) => line.push(start));
      return leaver(user);
    },
  };
}
