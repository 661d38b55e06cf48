import ParticleIO

/// A map in an MRC file.
public struct MRCDensityMap: DensityMap {
  private let file: MRCFile

  public var boxSize: Int { file.width }

  /// The voxel size in A, nil when the file does not say.
  public var pixelSize: Double? { file.pixelSize }

  /// Opens the file and reads its header.
  ///
  /// - Throws: `InputError` when it cannot be read, is no cube or is smaller than
  ///   `SimulationParameters.smallestBox`.
  public init(path: String) throws {
    file = try MRCFile(path: path)
    guard file.width == file.height, file.width == file.sections else {
      throw InputError(
        file: path,
        "the map is \(file.width) x \(file.height) x \(file.sections) voxels; a cube is needed")
    }
    guard file.width >= SimulationParameters.smallestBox else {
      throw InputError(
        file: path,
        "the map's edge is \(file.width) voxels; at least \(SimulationParameters.smallestBox)"
          + " are needed")
    }
  }

  public func readSection(_ z: Int, into values: UnsafeMutableBufferPointer<Double>) throws {
    let section = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
    defer { section.deallocate() }
    try file.read(sections: z..<z + 1, into: section)
    for index in values.indices {
      guard section[index].isFinite else {
        throw InputError(
          file: file.path,
          "voxel (\(index % boxSize), \(index / boxSize), \(z)), counted from 0, is"
            + " \(section[index]); finite numbers are needed")
      }
      values[index] = Double(section[index])
    }
  }
}
