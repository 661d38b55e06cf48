import Foundation

/// FFTW's planner, which is not thread-safe: every call that makes or destroys a plan, of any
/// precision, goes through `exclusively`. Executing plans needs no lock.
public enum FFTWPlanner {
  private static let lock = NSLock()

  /// Runs `body` while no other thread plans. Not reentrant.
  public static func exclusively<Result>(_ body: () throws -> Result) rethrows -> Result {
    try lock.withLock(body)
  }
}
