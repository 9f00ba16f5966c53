// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "answers.hpp"

#include "credentials.hpp"

#include <charconv>
#include <pugixml.hpp>

namespace orbit::s3 {

namespace {

// No document type, no declarations: entities are the five of XML and character references.
constexpr unsigned kParsing = pugi::parse_minimal | pugi::parse_escapes | pugi::parse_cdata;

bool parsed(pugi::xml_document& document, Bytes xml) {
  return static_cast<bool>(document.load_buffer(xml.data(), xml.size(), kParsing));
}

std::optional<uint64_t> number_of(const char* text) {
  uint64_t out = 0;
  const char* const end = text + std::strlen(text);
  const auto [at, wrong] = std::from_chars(text, end, out);
  if (wrong != std::errc() || at != end) return std::nullopt;
  return out;
}

}  // namespace

S3Error parse_error(Bytes xml) {
  pugi::xml_document document;
  if (!parsed(document, xml)) return {};
  const pugi::xml_node error = document.child("Error");
  return {error.child_value("Code"), error.child_value("Message"), error.child_value("RequestId")};
}

S3Error parse_service_error(Bytes xml) {
  pugi::xml_document document;
  if (!parsed(document, xml)) return {};
  const pugi::xml_node answer = document.child("ErrorResponse");
  const pugi::xml_node error = answer.child("Error");
  return {error.child_value("Code"), error.child_value("Message"), answer.child_value("RequestId")};
}

std::optional<Credentials> parse_assumed_role(Bytes xml) {
  pugi::xml_document document;
  if (!parsed(document, xml)) return std::nullopt;
  const pugi::xml_node found =
      document.child("AssumeRoleWithWebIdentityResponse").child("AssumeRoleWithWebIdentityResult").child("Credentials");
  Credentials out{found.child_value("AccessKeyId"), found.child_value("SecretAccessKey"),
                  found.child_value("SessionToken"), time_of(found.child_value("Expiration"))};
  if (out.access_key.empty() || out.secret_key.empty() || out.session_token.empty() || out.expires_s == 0)
    return std::nullopt;
  return out;
}

std::optional<Listing> parse_listing(Bytes xml) {
  pugi::xml_document document;
  if (!parsed(document, xml)) return std::nullopt;
  const pugi::xml_node result = document.child("ListBucketResult");
  if (!result) return std::nullopt;
  Listing out;
  out.truncated = std::string(result.child_value("IsTruncated")) == "true";
  out.next_token = result.child_value("NextContinuationToken");
  if (out.truncated && out.next_token.empty()) return std::nullopt;
  for (const pugi::xml_node entry : result.children("Contents")) {
    const auto size = number_of(entry.child_value("Size"));
    if (!size || *entry.child_value("Key") == '\0') return std::nullopt;
    out.entries.push_back({entry.child_value("Key"), *size});
  }
  return out;
}

std::string parse_upload_id(Bytes xml) {
  pugi::xml_document document;
  if (!parsed(document, xml)) return {};
  return document.child("InitiateMultipartUploadResult").child_value("UploadId");
}

bool is_completed_upload(Bytes xml) {
  pugi::xml_document document;
  return parsed(document, xml) && document.child("CompleteMultipartUploadResult");
}

std::string make_completion(const std::vector<std::string>& part_etags) {
  std::string out = "<CompleteMultipartUpload>";
  for (size_t i = 0; i < part_etags.size(); ++i) {
    std::string etag;
    for (const char c : part_etags[i])
      etag += c == '"' ? "&quot;" : c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
    out += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + etag + "</ETag></Part>";
  }
  return out + "</CompleteMultipartUpload>";
}

}  // namespace orbit::s3
