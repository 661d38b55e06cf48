import Testing

@testable import ClassAveraging
