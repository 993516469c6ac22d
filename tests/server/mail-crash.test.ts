import { describeMailCrash } from "../suites/mail-crash.suite.ts";

describeMailCrash({ agents: 12, letters: 30 });
