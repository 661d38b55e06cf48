import Foundation
import ImageModel
import MPI
import ParticleIO

/// The files that `average` or `denoise` leaves in its output folder. All are written under temporary names
/// and appear together at the end, the run record last: a folder with `run.json` holds a whole run.
public final class RunFolder {
  /// All that a run of either kind may consist of.
  public static let fileNames = [
    "neighbours.npy", "affinity.npy", "rotation.npy", "reflected.npy", "probability.npy",
    "shift.npy",
    "pair-features.npy", "mean.mrc", "eigenimages.mrcs", "averages.mrcs", "averages.star",
    "denoised.mrcs", "denoised.star", "run.json",
  ]

  /// At most so many eigenimages are written.
  public static let eigenimageLimit = 256

  /// The folder, as given.
  public let path: String
  private var pending: [() throws -> Void] = []

  /// The folder at `path`, made where it is missing.
  /// - Throws: `RunFolderError` where it holds a run already and `overwrite` is not set; `InputError` where it cannot
  ///   be made.
  public init(path: String, overwrite: Bool) throws {
    self.path = path
    let manager = FileManager.default
    if !overwrite,
      let found = Self.fileNames.first(where: { manager.fileExists(atPath: "\(path)/\($0)") })
    {
      throw RunFolderError.holdsRun(folder: path, file: found)
    }
    do {
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw InputError(file: path, "cannot be made a folder: \(error.localizedDescription)")
    }
    // Now, not after hours of work.
    if access(path, W_OK | X_OK) != 0 {
      throw InputError(file: path, "cannot be written to: \(String(cString: strerror(errno)))")
    }
  }

  /// The path of a file in the folder.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes the neighbour lists for all `count` particles of the STAR file; a particle that was left out
  /// has the neighbours -1 and the affinity and probability NaN.
  public func write(_ table: NeighbourTable, originalIndex: [Int32], count: Int) throws {
    let k = table.neighboursPerImage
    func column<T: NPYElement>(
      _ name: String, _ missing: T, _ value: (Int) -> T
    ) throws {
      var values = [T](repeating: missing, count: count * k)
      for (image, original) in originalIndex.enumerated() {
        for entry in 0..<k { values[Int(original) * k + entry] = value(image * k + entry) }
      }
      let writer = try NPYWriter(path: file(name), of: T.self, shape: [count, k])
      try writer.append(values)
      pending.append { try writer.finish() }
    }
    try column("neighbours.npy", Int32(-1)) {
      table.indices[$0] < 0 ? -1 : originalIndex[Int(table.indices[$0])]
    }
    try column("affinity.npy", Float.nan) { table.affinities[$0] }
    try column("rotation.npy", Float(0)) { table.alignments[$0].rotation * 180 / .pi }
    try column("reflected.npy", UInt8(0)) {
      table.alignments[$0].isReflected ? 1 : 0
    }
    if !table.probabilities.isEmpty {
      try column("probability.npy", Float.nan) { table.probabilities[$0] }
    }
    if !table.regressors.isEmpty {
      let width = table.regressors.count / table.indices.count
      var values = [Float](repeating: .nan, count: count * k * width)
      for (image, original) in originalIndex.enumerated() {
        let target = Int(original) * k * width
        for i in 0..<k * width { values[target + i] = table.regressors[image * k * width + i] }
      }
      let writer = try NPYWriter(
        path: file("pair-features.npy"), of: Float.self, shape: [count, k, width])
      try writer.append(values)
      pending.append { try writer.finish() }
    }
  }

  /// Writes how far each of the `count` particles of the STAR file lies from the centre of its image, in pixels, x then
  /// y; NaN for those that were left out.
  public func write(shiftsOf survey: ImageSurvey, count: Int) throws {
    var values = [Float](repeating: .nan, count: 2 * count)
    for (particle, original) in zip(survey.particles.particles, survey.originalIndex) {
      values[2 * Int(original)] = particle.displacement.x
      values[2 * Int(original) + 1] = particle.displacement.y
    }
    let writer = try NPYWriter(path: file("shift.npy"), of: Float.self, shape: [count, 2])
    try writer.append(values)
    pending.append { try writer.finish() }
  }

  /// Writes the mean image and the leading eigenimages.
  public func write(_ synthesis: ImageSynthesis, posterior: PosteriorModel, pixelSize: Double)
    throws
  {
    let size = synthesis.size
    let eigenimages = synthesis.eigenimages(posterior, limit: Self.eigenimageLimit)
    for (name, images) in [("mean.mrc", [synthesis.mean]), ("eigenimages.mrcs", eigenimages)]
    where !images.isEmpty {
      let writer = try MRCWriter(
        path: file(name), width: size, height: size, sections: images.count, pixelSize: pixelSize,
        content: .imageStack)
      for image in images { try writer.append(image) }
      pending.append { try writer.finish() }
    }
  }

  /// A stack `name`.mrcs and its table `name`.star for the first `count` particles of the STAR file,
  /// that all ranks write. Collective.
  /// - Parameters:
  ///   - folder: on rank 0.
  ///   - name: of both files, without what follows the dot.
  ///   - survey: which particles take part.
  ///   - set: all particles.
  ///   - count: particles, from the first on.
  ///   - comm: the ranks that take part.
  public static func stack(
    _ folder: RunFolder?, _ name: String, of survey: ImageSurvey, from set: ParticleSet, count: Int,
    on comm: Communicator
  ) throws -> ParticleStackWriter {
    let path = try comm.broadcast(folder?.path ?? "")
    let writer = try ParticleStackWriter(
      folder: path, name: name, set: set, originalIndex: survey.originalIndex, count: count,
      on: comm)
    folder?.pending.append { try writer.finish() }
    return writer
  }

  /// Gives all files their final names, in place of all files of a run that was in the folder. Where one
  /// cannot be finished (a full disk), none is left.
  /// - Parameter record: writes the run record, the last file.
  public func finish(record: () throws -> Void) throws {
    // The new run may have fewer files (another command, no averages): none of the old may stay beside
    // them. The record goes first, so that the folder never looks like a whole run.
    for name in Self.fileNames.reversed() { unlink(file(name)) }
    do {
      for step in pending { try step() }
      pending = []
      try record()
    } catch {
      for name in Self.fileNames { unlink(file(name)) }
      throw error
    }
  }
}
