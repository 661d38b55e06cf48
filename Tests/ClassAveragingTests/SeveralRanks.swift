import TestSupport
import Testing

extension Trait where Self == ConditionTrait {
  /// For what one rank alone cannot do. `cluster/run-tests` knows the reason, and runs these tests on two ranks and more.
  static var onSeveralRanks: Self {
    .enabled(if: (try testWorld().size) > 1, "runs on two ranks and more")
  }
}
