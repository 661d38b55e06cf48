import Foundation

/// The header of an MRC2014 file: 1024 bytes, either byte order.
///
/// Source: Cheng et al. 2015, "MRC2014: Extensions to the MRC format header", and IMOD's notes on
/// signed bytes. Wrong statistics and a missing `MAP ` or machine stamp are tolerated.
public struct MRCHeader: Sendable {
  /// How a pixel is stored.
  public enum Mode: Int, Sendable {
    /// Integers of one byte.
    case int8 = 0
    /// Integers of two bytes, with sign.
    case int16 = 1
    /// Floating-point numbers of four bytes.
    case float32 = 2
    /// Integers of two bytes, without sign.
    case uint16 = 6
    /// Floating-point numbers of two bytes (IEEE 754).
    case float16 = 12

    /// Bytes of one pixel.
    public var byteCount: Int {
      switch self {
      case .int8: 1
      case .int16, .uint16, .float16: 2
      case .float32: 4
      }
    }
  }

  /// Bytes of the header proper.
  public static let byteCount = 1024

  /// Columns (x), in pixels.
  public let width: Int
  /// Rows (y), in pixels.
  public let height: Int
  /// Images of a stack or slices of a volume.
  public let sections: Int
  /// How its pixels are stored.
  public let mode: Mode
  /// Whether mode 0 means 0...255 (IMOD's stamp with its signed flag clear).
  public let isUnsignedByte: Bool
  /// Whether the most significant byte comes first.
  public let isBigEndian: Bool
  /// Pixel size along x in A: cell over sampling; nil when the header does not say.
  public let pixelSize: Double?
  /// Space group: 0 for an image stack, 1 for a volume.
  public let spaceGroup: Int
  /// Offset of the first pixel: the header and the extended header, in bytes.
  public let dataOffset: Int

  /// Bytes of one section.
  public var sectionByteCount: Int { width * height * mode.byteCount }

  /// Parses the first 1024 bytes of `file`; throws `InputError` for an unknown mode, sizes that are
  /// zero, negative or too large, or a negative extended header.
  public init(_ bytes: UnsafeRawBufferPointer, file: String) throws {
    precondition(bytes.count >= Self.byteCount)
    let bigEndian = Self.isBigEndian(bytes)
    func int32(_ offset: Int) -> Int {
      let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return Int(Int32(bitPattern: bigEndian ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw)))
    }
    func float32(_ offset: Int) -> Float {
      let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return Float(
        bitPattern: bigEndian ? UInt32(bigEndian: raw) : UInt32(littleEndian: raw))
    }
    let (nx, ny, nz) = (int32(0), int32(4), int32(8))
    guard nx > 0, ny > 0, nz > 0 else {
      throw InputError(
        file: file, "its MRC header says \(nx) x \(ny) x \(nz) pixels; positive sizes expected")
    }
    guard let mode = Mode(rawValue: int32(12)) else {
      throw InputError(
        file: file, "its MRC header says mode \(int32(12)); 0, 1, 2, 6 or 12 expected")
    }
    let (byteCount, overflow) = (nx * ny).multipliedReportingOverflow(by: nz * mode.byteCount)
    // Room for the headers' bytes in the sums of offsets.
    guard !overflow, byteCount < Int.max / 2 else {
      throw InputError(file: file, "its MRC header says an impossible \(nx) x \(ny) x \(nz) pixels")
    }
    let extended = int32(92)
    guard extended >= 0 else {
      throw InputError(file: file, "its MRC header says an extended header of \(extended) bytes")
    }
    let cell = Double(float32(40))
    let sampling = int32(28)
    width = nx
    height = ny
    sections = nz
    self.mode = mode
    isBigEndian = bigEndian
    isUnsignedByte = mode == .int8 && int32(152) == 1_146_047_817 && int32(156) & 1 == 0
    pixelSize = cell.isFinite && cell > 0 && sampling > 0 ? cell / Double(sampling) : nil
    spaceGroup = int32(88)
    dataOffset = Self.byteCount + extended
  }

  /// The byte order in which size and mode make sense, the machine stamp's first.
  private static func isBigEndian(_ bytes: UnsafeRawBufferPointer) -> Bool {
    func isPlausible(bigEndian: Bool) -> Bool {
      func value(_ offset: Int) -> Int32 {
        let raw = bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
        return bigEndian ? Int32(bigEndian: raw) : Int32(littleEndian: raw)
      }
      return [0, 4, 8].allSatisfy { (1...(1 << 24)).contains(value($0)) }
        && (0...127).contains(value(12))
    }
    let stamp = bytes[212] == 0x11
    if isPlausible(bigEndian: stamp) { return stamp }
    return isPlausible(bigEndian: !stamp) ? !stamp : stamp
  }
}
