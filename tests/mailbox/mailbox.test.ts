import { drivers } from "../support/drivers.ts";
import { agentsSuite } from "../suites/agents.suite.ts";
import { lifecycleSuite } from "../suites/lifecycle.suite.ts";
import { mailboxSuite } from "../suites/mailbox.suite.ts";
import { recipientsSuite } from "../suites/recipients.suite.ts";
import { searchSuite } from "../suites/search.suite.ts";
import { threadsSuite } from "../suites/threads.suite.ts";
import { visibilitySuite } from "../suites/visibility.suite.ts";

for (const driver of drivers) {
  agentsSuite(driver);
  mailboxSuite(driver);
  recipientsSuite(driver);
  lifecycleSuite(driver);
  threadsSuite(driver);
  visibilitySuite(driver);
  searchSuite(driver);
}
