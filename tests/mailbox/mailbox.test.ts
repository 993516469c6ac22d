import { drivers } from "../support/drivers.ts";
import { agentsSuite } from "../suites/agents.suite.ts";
import { mailboxSuite } from "../suites/mailbox.suite.ts";
import { searchSuite } from "../suites/search.suite.ts";
import { threadsSuite } from "../suites/threads.suite.ts";

for (const driver of drivers) {
  searchSuite(driver);
  agentsSuite(driver);
  mailboxSuite(driver);
  threadsSuite(driver);
}
