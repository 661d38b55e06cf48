/// A cubic density that is read section by section, by any rank.
public protocol DensityMap {
  /// The edge in voxels. The centre is voxel `boxSize / 2` of each axis.
  var boxSize: Int { get }

  /// Writes section z (0 first), row-major, `boxSize`^2 values.
  ///
  /// - Throws: an error that names the file when the section cannot be read.
  func readSection(_ z: Int, into values: UnsafeMutableBufferPointer<Double>) throws
}
