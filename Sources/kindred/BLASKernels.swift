import COpenBLAS
import Foundation

/// Which of its kernels OpenBLAS uses.
///
/// OpenBLAS chooses them when it is loaded. One that is older than the processor may not know it and then takes its
/// oldest for x86-64, Prescott's, which are some times as slow as those that the processor could run.
public enum BLASKernels {
  /// What OpenBLAS calls the processor that its kernels are for.
  public static var core: String { String(cString: openblas_get_corename()) }

  private static let variable = "OPENBLAS_CORETYPE"

  /// Starts the program anew with better kernels where OpenBLAS has taken Prescott's for a processor that can more, and
  /// the user has not chosen any by `OPENBLAS_CORETYPE`. The first thing to do in a program, before MPI.
  public static func restartIfOutdated() {
    guard getenv(variable) == nil, let better = better(than: core, features: processorFeatures())
    else { return }
    setenv(variable, better, 1)
    // The path, not the link: the process keeps its name.
    if let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
      execv(path, CommandLine.unsafeArgv)
    }
    // It goes on as it is.
    unsetenv(variable)
  }

  /// The kernels for a processor with these features, in place of Prescott's; nil where there are none, or others.
  /// - Parameters:
  ///   - core: the processor that OpenBLAS has taken it for.
  ///   - features: looked at only where they matter: to list them takes long where there are many cores.
  static func better(than core: String, features: @autoclosure () -> Set<Substring>) -> String? {
    guard core == "Prescott" else { return nil }
    let features = features()
    if features.isSuperset(of: ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"]) {
      return "SkylakeX"
    }
    return features.isSuperset(of: ["avx2", "fma"]) ? "Haswell" : nil
  }

  /// What the processor can do and the system lets it, as Linux names it.
  private static func processorFeatures() -> Set<Substring> {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") }
    return Set((line ?? "").split(whereSeparator: \.isWhitespace))
  }
}
