import Foundation

/// A type that NumPy's `.npy` files hold.
public protocol NPYElement: BitwiseCopyable, Sendable {
  /// NumPy's description, such as `<f4`.
  static var npyDescription: String { get }
}

extension UInt8: NPYElement { public static var npyDescription: String { "|u1" } }
extension Int32: NPYElement { public static var npyDescription: String { "<i4" } }
extension Int64: NPYElement { public static var npyDescription: String { "<i8" } }
extension Int: NPYElement { public static var npyDescription: String { "<i8" } }
extension Float: NPYElement { public static var npyDescription: String { "<f4" } }
extension Double: NPYElement { public static var npyDescription: String { "<f8" } }

/// NumPy's array file, format version 1.0, little-endian, C order.
///
/// Source: `numpy.lib.format`.
public enum NPY {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Writes `values`, whose last index of `shape` runs fastest; throws `OutputError`.
  public static func write<T: NPYElement>(_ values: [T], shape: [Int], to path: String) throws {
    let writer = try NPYWriter(path: path, of: T.self, shape: shape)
    try values.withUnsafeBufferPointer { try writer.append($0) }
    try writer.finish()
  }

  /// Reads an array of exactly the type `type`, in C order; throws `InputError`.
  public static func read<T: NPYElement>(_ type: T.Type, from path: String) throws
    -> (values: [T], shape: [Int])
  {
    let file = try InputFile(path: path)
    func bytes(_ range: Range<Int>) throws -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: range.count)
      try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: range.lowerBound) }
      return bytes
    }
    let start = try bytes(0..<8)
    guard start.starts(with: magic), (1...3).contains(start[6]) else {
      throw InputError(file: path, "is not a NumPy array file of version 1, 2 or 3")
    }
    let lengthBytes = start[6] == 1 ? 2 : 4
    let length = try bytes(8..<8 + lengthBytes).reversed().reduce(0) { $0 << 8 | Int($1) }
    let offset = 8 + lengthBytes + length
    guard offset <= file.byteCount else {
      throw InputError(file: path, "ends within its header")
    }
    let text = String(decoding: try bytes(8 + lengthBytes..<offset), as: UTF8.self)
    let header = try NPYHeader(text, file: path)
    guard header.description == T.npyDescription, !header.isFortranOrder else {
      let order = header.isFortranOrder ? "Fortran" : "C"
      throw InputError(
        file: path,
        "holds '\(header.description)' in \(order) order; '\(T.npyDescription)' in C order expected"
      )
    }
    let expected = offset + header.count * MemoryLayout<T>.stride
    guard file.byteCount >= expected else {
      throw InputError(
        file: path, "is cut short: \(file.byteCount) bytes; \(expected) expected for its shape")
    }
    let values = try [T](unsafeUninitializedCapacity: header.count) { buffer, initialised in
      let whole = UnsafeMutableRawBufferPointer(
        start: buffer.baseAddress, count: header.count * MemoryLayout<T>.stride)
      try file.read(into: whole, at: offset)
      #if _endian(big)
        let size = MemoryLayout<T>.size
        for element in stride(from: 0, to: whole.count, by: size) {
          whole[element..<element + size].reverse()
        }
      #endif
      initialised = header.count
    }
    return (values, header.shape)
  }

  /// The bytes before the first value, padded to a multiple of 64.
  static func header(_ description: String, shape: [Int]) -> [UInt8] {
    let sizes =
      shape.count == 1 ? "\(shape[0])," : shape.map { String($0) }.joined(separator: ", ")
    var text = "{'descr': '\(description)', 'fortran_order': False, 'shape': (\(sizes)), }"
    let unpadded = magic.count + 4 + text.utf8.count + 1
    text += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
    let length = text.utf8.count
    return magic + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
  }
}

/// Writes an array file piece by piece, in bounded memory.
public final class NPYWriter<Element: NPYElement> {
  private let output: OutputFile
  private var remaining: Int

  /// Starts a file for an array of `shape`; throws `OutputError`.
  public init(path: String, of type: Element.Type = Element.self, shape: [Int]) throws {
    output = try OutputFile(path: path)
    remaining = shape.reduce(1, *)
    try NPY.header(Element.npyDescription, shape: shape).withUnsafeBytes { try output.append($0) }
  }

  /// Appends values; the last index of the shape runs fastest.
  public func append(_ values: UnsafeBufferPointer<Element>) throws {
    remaining -= values.count
    precondition(remaining >= 0, "more values than the shape has")
    try withLittleEndian(values) { try output.append($0) }
  }

  /// Appends values; the last index of the shape runs fastest.
  public func append(_ values: [Element]) throws {
    try values.withUnsafeBufferPointer { try append($0) }
  }

  /// Flushes to the disk and gives the file its name; throws `OutputError`, also when values are
  /// missing.
  public func finish() throws {
    guard remaining == 0 else {
      throw OutputError(file: output.path, "\(remaining) values were not written")
    }
    try output.finish()
  }
}

/// The Python dictionary of an array file's header.
private struct NPYHeader {
  let description: String
  let isFortranOrder: Bool
  let shape: [Int]
  let count: Int

  init(_ text: String, file: String) throws {
    guard
      let description = text.firstMatch(of: /'descr'\s*:\s*'([^']*)'/)?.1,
      let order = text.firstMatch(of: /'fortran_order'\s*:\s*(True|False)/)?.1,
      let sizes = text.firstMatch(of: /'shape'\s*:\s*\(([0-9, ]*)\)/)?.1
    else { throw InputError(file: file, "its header is not understood: \(text)") }
    self.description = String(description)
    isFortranOrder = order == "True"
    var shape: [Int] = []
    var product = 1
    for size in sizes.split(whereSeparator: { $0 == "," || $0 == " " }) {
      guard let value = Int(size), !product.multipliedReportingOverflow(by: value).overflow else {
        throw InputError(file: file, "its shape is not understood: (\(sizes))")
      }
      shape.append(value)
      product *= value
    }
    self.shape = shape
    count = product
  }
}
