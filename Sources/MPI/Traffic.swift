import CShims
import Foundation

/// What this rank has handed to MPI, and how long it was there: counted for every call of a communicator and
/// of those split from it.
///
/// Bytes are those that this rank contributes: what it sends to another rank, its array in a collective, and on
/// the root what a broadcast or scatter gives to each of the others. How the library moves them is its own
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

  /// Counts a call of MPI.
  func counting(bytes: Int? = nil, _ call: () -> Int32) -> Int32 {
    let (wall, processor) = (Communicator.wallTime(), ProcessorTime.thread())
    let code = call()
    seconds += Communicator.wallTime() - wall
    processorSeconds += ProcessorTime.thread() - processor
    if let bytes {
      messages += 1
      self.bytes += bytes
    }
    return code
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
