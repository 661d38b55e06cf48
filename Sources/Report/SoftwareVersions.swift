import Foundation
import MPI

/// The versions of Kindred and of the libraries a run used.
public struct SoftwareVersions: Codable, Sendable, Hashable {
  /// Of Kindred.
  public var kindred: String
  /// Of the Swift standard library, such as `6.3`.
  public var swift: String
  /// The MPI library's own words, such as `Open MPI v4.1.4`.
  public var mpi: String
  /// OpenBLAS's configuration, nil for another BLAS.
  public var openblas: String?
  /// FFTW's own words; nil where they are not known.
  public var fftw: String?

  /// The version of this source.
  public static let kindred = "0.1.0"

  /// What this process runs with.
  public static func current() -> SoftwareVersions {
    SoftwareVersions(
      kindred: kindred, swift: swiftVersion(), mpi: Communicator.libraryVersion,
      openblas: openBLASConfiguration(), fftw: fftwVersion())
  }

  /// Major and minor number: the library's patch number is not the compiler's.
  private static func swiftVersion() -> String {
    "\(_SwiftStdlibVersion.current)".split(separator: ".").prefix(2).joined(separator: ".")
  }

  // Looked up by name: another BLAS has no such function, and Swift does not import a C array of
  // unknown length.
  private static func openBLASConfiguration() -> String? {
    typealias Function = @convention(c) () -> UnsafePointer<CChar>?
    guard let symbol = dlsym(nil, "openblas_get_config") else { return nil }
    return unsafeBitCast(symbol, to: Function.self)().map { String(cString: $0) }
  }

  private static func fftwVersion() -> String? {
    dlsym(nil, "fftwf_version").map { String(cString: $0.assumingMemoryBound(to: CChar.self)) }
  }
}
