import Foundation
import ParticleIO

/// The folder that a simulation is written to, and the names in it.
public struct SimulationFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// The folder at `path`; it need not be there yet.
  public init(path: String) { self.path = path }

  /// The particle images: CTF-filtered, with noise.
  public var particles: String { file("particles.mrcs") }
  /// The particle images' metadata, RELION 3.1.
  public var particlesSTAR: String { file("particles.star") }
  /// The projections alone, scaled as the signal in `particles`.
  public var clean: String { file("clean.mrcs") }
  /// The orientations and the defocus groups.
  public var truth: String { file("truth.star") }

  private var files: [String] { [particles, particlesSTAR, clean, truth] }

  private func file(_ name: String) -> String { (path as NSString).appendingPathComponent(name) }

  /// Makes the folder where it is missing.
  ///
  /// - Throws: `OutputError` when it cannot be made, or when it holds a simulation that must not be
  ///   overwritten.
  func prepare(overwrite: Bool) throws {
    if !overwrite, let present = files.first(where: FileManager.default.fileExists(atPath:)) {
      throw OutputError(
        file: present, "is there already; choose another folder, or overwrite it on purpose")
    }
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw OutputError(file: path, "cannot be made a folder: \(error.localizedDescription)")
    }
  }
}
