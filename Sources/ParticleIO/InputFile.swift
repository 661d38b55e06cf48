import Foundation

/// A file open for reading at any offset (`pread`), so that several threads may use it.
final class InputFile: Sendable {
  let path: String
  /// The size in bytes when the file was opened.
  let byteCount: Int
  private let descriptor: Int32

  /// Opens a regular file; throws `InputError` with the system's reason.
  init(path: String) throws {
    let opened = open(path, O_RDONLY | O_CLOEXEC)
    if opened < 0 { throw InputError(file: path, "cannot be opened: \(systemMessage())") }
    var status = stat()
    if fstat(opened, &status) != 0 || status.st_mode & S_IFMT == S_IFDIR {
      close(opened)
      throw InputError(file: path, "is not a file that can be read")
    }
    self.path = path
    descriptor = opened
    byteCount = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// Fills `bytes` from `offset` on; throws `InputError` where the file ends before.
  func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      let count = pread(
        descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw InputError(file: path, "cannot be read: \(systemMessage())")
      }
      if count == 0 {
        throw InputError(
          file: path, "ends after \(offset + done) bytes; \(offset + bytes.count) expected")
      }
      done += count
    }
  }
}

/// The text of `errno`, such as `No space left on device`.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
