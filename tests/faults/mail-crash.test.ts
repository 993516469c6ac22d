import { describeMailCrash } from "../suites/mail-crash.suite.ts";

describeMailCrash({ agents: 50, letters: 200 });
