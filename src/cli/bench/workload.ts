import type { BenchCase, Metric } from './report.ts';
import type { FaceName, Subject, Task, TaskResult } from './subject.ts';

/**
 * One kind of question. A workload gives the cases to run; for each case every subject that can is set up,
 * warmed up, and measured in rounds that alternate over the subjects.
 *
 * A new workload is one file in `workloads/` and one line in `workloads/index.ts`.
 */
export interface Workload {
  cases(settings: CaseSettings): readonly Case[];
}

export interface CaseSettings {
  /** length of one measured window */
  readonly roundSeconds: number;
}

export interface Case {
  readonly about: BenchCase;
  /** Which face the subject is opened with; undefined: it takes no part, and that needs no saying. */
  face(subject: Subject): FaceName | 'native' | undefined;
  /** Why this subject cannot be measured in this case although it has the face. */
  refuses?(subject: Subject): string | undefined;
  readonly task: Task;
  /** Run once and thrown away before the rounds; undefined: nothing is warm in this case by nature. */
  readonly warmUp?: Task;
  /** The pair does not survive a round. */
  readonly freshEachRound?: boolean;
  /**
   * Sides that are processes are pinned to a processor each where that can be: two that are awake on one only
   * take turns by the scheduler's clock, and whether they land there is chance.
   */
  readonly apart?: boolean;
  /** All subjects are measured at the same time, as none disturbs another. */
  readonly together?: boolean;
  readonly rounds?: number;
  figures(result: TaskResult): readonly Figure[];
}

/** One figure of one round. */
export interface Figure {
  readonly metric: Metric;
  readonly unit: string;
  readonly value: number;
}
