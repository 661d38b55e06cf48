import CShims
import Foundation

/// What this rank has handed to MPI, and how long it was there: counted for every call of a communicator and
/// of those split from it.
///
/// Bytes are those that this rank has for others: what it sends to another rank, its array in a sum or a
/// gathering of all, and on the root what a broadcast or scatter gives to each of the others. How the library moves them is its own
/// affair. What ScaLAPACK, PARPACK and FFTW send is not counted.
public final class Traffic {
  /// Calls that send, collective ones counting once.
  public private(set) var messages = 0
  /// Bytes contributed.
  public private(set) var bytes = 0
  /// Wall time inside calls, waiting included, in seconds.
  public private(set) var seconds = 0.0
  /// Processor time of this thread inside calls, in seconds.
  public private(set) var processorSeconds = 0.0

  /// Wall and processor seconds before a call.
  struct Moment {
    fileprivate let wall = Communicator.wallTime()
    fileprivate let processor = ProcessorTime.thread()
  }

  /// The moment before a call of MPI; until `check` this process counts as inside `caller` (`MPIActivity`).
  func now(_ caller: StaticString = #function) -> Moment {
    MPIActivity.began(caller)
    return Moment()
  }

  /// Counts a call of MPI that began at `start` and has returned `code`; arguments are evaluated in their
  /// order. Not a closure round the call: optimised, one hid from the compiler that MPI fills the buffer.
  /// - Parameter bytes: what this rank sent; nil for a call that only receives or waits.
  func check(_ start: Moment, _ code: Int32, _ function: String, bytes: Int? = nil)
    throws(MPIError)
  {
    MPIActivity.ended()
    seconds += Communicator.wallTime() - start.wall
    processorSeconds += ProcessorTime.thread() - start.processor
    if let bytes {
      messages += 1
      self.bytes += bytes
    }
    try MPI.check(code, function)
  }
}

/// Processor time used so far, in seconds: unlike wall time, it does not count what other programs on the
/// same processors take.
public enum ProcessorTime {
  /// Of all threads of this process.
  public static func process() -> Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }

  /// Of the calling thread.
  public static func thread() -> Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
