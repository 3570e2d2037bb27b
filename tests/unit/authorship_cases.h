/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models as their folders describe them, and what gguf-py makes of them: the keys were written by its
 * Metadata.load and set_gguf_meta_model, the names by its naming_convention, all for 1235814400 parameters.
 */
#ifndef TESTS_UNIT_AUTHORSHIP_CASES_H
#define TESTS_UNIT_AUTHORSHIP_CASES_H

static const struct {
    const char *what, *dir_name, *readme, *config, *generation;
    const char *keys; /* "key type value" lines */
    const char *file_name;
} cases[] = {
    {"names and lists", "Qwen3.5-9B",
     "---\n"
     "license: mit\n"
     "language:\n"
     "- en\n"
     "- no\n"
     "pipeline_tag: text-generation\n"
     "tags:\n"
     "- a\n"
     "- b\n"
     "base_model: Qwen/Qwen3.5-9B-Base\n"
     "---\n"
     "# x\n",
     NULL, "{\"top_k\":20,\"top_p\":0.95,\"temperature\":0.6,\"repetition_penalty\":1.1}",
     "general.sampling.top_k i32 20\n"
     "general.sampling.top_p f32 0.949999988\n"
     "general.sampling.temp f32 0.600000024\n"
     "general.name str Qwen3.5 9B\n"
     "general.finetune str 9b\n"
     "general.basename str Qwen3.5\n"
     "general.size_label str 1.2B\n"
     "general.license str mit\n"
     "general.base_model.count u32 1\n"
     "general.base_model.0.name str Qwen3.5 9B Base\n"
     "general.base_model.0.organization str Qwen\n"
     "general.base_model.0.repo_url str https://huggingface.co/Qwen/Qwen3.5-9B-Base\n"
     "general.tags str[] a; b; text-generation;\n"
     "general.languages str[] en; no;\n",
     "Qwen3.5-1.2B-9b-BF16.gguf"},
    {"every plain key", "x",
     "---\n"
     "name: N\n"
     "author: A\n"
     "version: v1\n"
     "organization: O\n"
     "description: D\n"
     "finetune: F\n"
     "basename: B\n"
     "size_label: 7B\n"
     "url: u\n"
     "doi: d\n"
     "uuid: i\n"
     "repo_url: r\n"
     "license: other\n"
     "license_name: ln\n"
     "license_link: ll\n"
     "---\n",
     NULL, NULL,
     "general.name str N\n"
     "general.author str A\n"
     "general.version str v1\n"
     "general.organization str O\n"
     "general.finetune str F\n"
     "general.basename str B\n"
     "general.description str D\n"
     "general.size_label str 7B\n"
     "general.license str other\n"
     "general.license.name str ln\n"
     "general.license.link str ll\n"
     "general.source.url str u\n"
     "general.source.doi str d\n"
     "general.source.uuid str i\n"
     "general.source.repo_url str r\n",
     "B-7B-F-v1-BF16.gguf"},
    {"model_ keys", "x-7B",
     "---\n"
     "model_name: N\n"
     "model_author: A\n"
     "model_creator: C\n"
     "model_version: v1\n"
     "model_organization: O\n"
     "model_description: D\n"
     "model_finetune: F\n"
     "model_size_label: 8B\n"
     "model_type: llama\n"
     "model_url: u\n"
     "model_doi: d\n"
     "model_uuid: i\n"
     "model_repo_url: r\n"
     "---\n",
     NULL, NULL,
     "general.name str N\n"
     "general.author str A\n"
     "general.version str v1\n"
     "general.organization str O\n"
     "general.finetune str F\n"
     "general.basename str llama\n"
     "general.description str D\n"
     "general.size_label str 8B\n"
     "general.source.url str u\n"
     "general.source.doi str d\n"
     "general.source.uuid str i\n"
     "general.source.repo_url str r\n",
     "llama-8B-F-v1-BF16.gguf"},
    {"null falls through, empty does not", "Tiny-1B-v2",
     "---\n"
     "name: ~\n"
     "model_name: Second\n"
     "author: ''\n"
     "model_creator: C\n"
     "version:\n"
     "---\n",
     NULL, NULL,
     "general.name str Second\n"
     "general.version str v2\n"
     "general.basename str Tiny\n"
     "general.size_label str 1B\n",
     "Tiny-1B-v2-BF16.gguf"},
    {"license list", "x",
     "---\n"
     "license: [mit, apache-2.0]\n"
     "language: [en, de]\n"
     "tags: chat\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.license str mit,apache-2.0\n"
     "general.tags str[] chat;\n"
     "general.languages str[] en; de;\n",
     "X-1.2B-BF16.gguf"},
    {"false is nothing", "x",
     "---\n"
     "license: no\n"
     "language: no\n"
     "author: off\n"
     "version: 0\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n",
     "X-1.2B-BF16.gguf"},
    {"numbers as tags", "x",
     "---\n"
     "tags: [1, 2]\n"
     "languages: [1.5, .inf]\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.tags i32[] 1; 2;\n"
     "general.languages f32[] 1.5; inf;\n",
     "X-1.2B-BF16.gguf"},
    {"bools as tags", "x",
     "---\n"
     "tags: [yes, off]\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.tags bool[] 1; 0;\n",
     "X-1.2B-BF16.gguf"},
    {"bases", "x",
     "---\n"
     "base_model:\n"
     "- org/Name-7B-v2\n"
     "- https://huggingface.co/org/model-v2\n"
     "- http://huggingface.co/a/b\n"
     "- https://huggingface.co/a/b/\n"
     "- https://example.com/x\n"
     "- ssh://h/x\n"
     "- ./dir/file\n"
     "- just words\n"
     "- solo-3B-v1\n"
     "- 7\n"
     "- name: M\n"
     "  version: v9\n"
     "  foo: bar\n"
     "  repo_url: r\n"
     "- \n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.base_model.count u32 12\n"
     "general.base_model.0.name str Name 7B v2\n"
     "general.base_model.0.version str v2\n"
     "general.base_model.0.organization str Org\n"
     "general.base_model.0.repo_url str https://huggingface.co/org/Name-7B-v2\n"
     "general.base_model.1.name str Model v2\n"
     "general.base_model.1.version str v2\n"
     "general.base_model.1.organization str Org\n"
     "general.base_model.1.repo_url str https://huggingface.co/org/model-v2\n"
     "general.base_model.2.name str B\n"
     "general.base_model.2.organization str A\n"
     "general.base_model.2.repo_url str http://huggingface.co/a/b\n"
     "general.base_model.3.repo_url str https://huggingface.co/a/b/\n"
     "general.base_model.4.repo_url str https://example.com/x\n"
     "general.base_model.5.repo_url str ssh://h/x\n"
     "general.base_model.6.name str Dir/File\n"
     "general.base_model.7.name str Just Words\n"
     "general.base_model.8.name str Solo 3B v1\n"
     "general.base_model.8.version str v1\n"
     "general.base_model.10.name str M\n"
     "general.base_model.10.version str v9\n"
     "general.base_model.10.repo_url str r\n",
     "X-1.2B-BF16.gguf"},
    {"empty base_model", "x",
     "---\n"
     "base_model:\n"
     "base_models: a/b\n"
     "datasets: []\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.base_model.count u32 0\n"
     "general.dataset.count u32 0\n",
     "X-1.2B-BF16.gguf"},
    {"second and third keys", "x",
     "---\n"
     "base_models: a/b\n"
     "dataset_sources: [c/d-1B, {name: E, url: w}]\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n"
     "general.base_model.count u32 1\n"
     "general.base_model.0.name str B\n"
     "general.base_model.0.organization str A\n"
     "general.base_model.0.repo_url str https://huggingface.co/a/b\n"
     "general.dataset.count u32 2\n"
     "general.dataset.0.name str D 1B\n"
     "general.dataset.0.organization str C\n"
     "general.dataset.0.repo_url str https://huggingface.co/c/d-1B\n"
     "general.dataset.1.name str E\n"
     "general.dataset.1.url str w\n",
     "X-1.2B-BF16.gguf"},
    {"card that is no mapping", "x",
     "---\n"
     "- a\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n",
     "X-1.2B-BF16.gguf"},
    {"no front matter", "x",
     "# Title\n"
     "---\n"
     "name: no\n"
     "---\n",
     NULL, NULL,
     "general.name str X\n"
     "general.size_label str 1.2B\n",
     "X-1.2B-BF16.gguf"},
    {"CRLF, tabs, unclosed", "x",
     "---\r\n"
     "name: CR\r\n"
     "tags:\r\n"
     "\t- no\r\n"
     "\t- \"no\"\r\n",
     NULL, NULL,
     "general.name str CR\n"
     "general.size_label str 1.2B\n"
     "general.tags str[] no; no;\n",
     "CR-1.2B-BF16.gguf"},
    {"text in many forms", "x",
     "---\n"
     "description: |\n"
     "  two\n"
     "  lines\n"
     "name: >-\n"
     "  folded\n"
     "  text\n"
     "author: \"\\u00e9\\n\\tx\"\n"
     "organization: 'it''s'\n"
     "url: a#b # c\n"
     "version: !!str 1.0\n"
     "---\n",
     NULL, NULL,
     "general.name str folded text\n"
     "general.author str \303\251\n\tx\n"
     "general.version str 1.0\n"
     "general.organization str it's\n"
     "general.description str two\nlines\n\n"
     "general.size_label str 1.2B\n"
     "general.source.url str a#b\n",
     "folded-text-1.2B-1.0-BF16.gguf"},
    {"anchors and merges", "x",
     "---\n"
     "x: &x {name: M, author: A, license: bsd}\n"
     "y: &y {author: B, url: u}\n"
     "<<: [*x, *y]\n"
     "license: mit\n"
     "tags: &t [a, b]\n"
     "languages: *t\n"
     "---\n",
     NULL, NULL,
     "general.name str M\n"
     "general.author str A\n"
     "general.size_label str 1.2B\n"
     "general.license str mit\n"
     "general.source.url str u\n"
     "general.tags str[] a; b;\n"
     "general.languages str[] a; b;\n",
     "M-1.2B-BF16.gguf"},
    {"unicode", "\346\227\245\346\234\254-7B",
     "---\n"
     "name: \346\227\245\346\234\254\350\252\236 \343\203\242\343\203\207\343\203\253\n"
     "tags: [\303\251t\303\251, \"\\U0001F600\"]\n"
     "---\n",
     NULL, NULL,
     "general.name str \346\227\245\346\234\254\350\252\236 \343\203\242\343\203\207\343\203\253\n"
     "general.finetune str 7b\n"
     "general.basename str \346\227\245\346\234\254\n"
     "general.size_label str 1.2B\n"
     "general.tags str[] \303\251t\303\251; \360\237\230\200;\n",
     "\346\227\245\346\234\254-1.2B-7b-BF16.gguf"},
    {"_name_or_path", "Foo-3B", NULL, "{\"_name_or_path\":\"meta-llama/Llama-2-7b-chat-hf\"}", NULL,
     "general.name str Llama 2 7b Chat Hf\n"
     "general.organization str Meta Llama\n"
     "general.finetune str 7b-chat-hf\n"
     "general.basename str Llama-2\n"
     "general.size_label str 1.2B\n",
     "Llama-2-1.2B-7b-chat-hf-BF16.gguf"},
    {"empty _name_or_path", "Foo-3B-v2", NULL, "{\"_name_or_path\":\"\"}", NULL,
     "general.version str v2\n"
     "general.finetune str 3b\n"
     "general.basename str Foo\n"
     "general.size_label str 1.2B\n",
     "Foo-1.2B-3b-v2-BF16.gguf"},
    {"a path as _name_or_path", "Foo-3B", NULL, "{\"_name_or_path\":\"/a/b\"}", NULL,
     "general.name str Foo 3B\n"
     "general.finetune str 3b\n"
     "general.basename str Foo\n"
     "general.size_label str 1.2B\n",
     "Foo-1.2B-3b-BF16.gguf"},
    {"all sampling keys", "x", NULL, NULL,
     "{\"mirostat_eta\":0.1,\"mirostat_tau\":5,\"mirostat\":2,\"penalty_repeat\":1.1,\"penalty"
     "_last_n\":64,\"temperature\":0.7,\"xtc_threshold\":0.1,\"xtc_probability\":0.5,\"min_"
     "p\":0.05,\"top_p\":1,\"top_k\":-1,\"sequence\":\"top_k;temp\"}",
     "general.sampling.sequence str top_k;temp\n"
     "general.sampling.top_k i32 -1\n"
     "general.sampling.top_p f32 1\n"
     "general.sampling.min_p f32 0.0500000007\n"
     "general.sampling.xtc_probability f32 0.5\n"
     "general.sampling.xtc_threshold f32 0.100000001\n"
     "general.sampling.temp f32 0.699999988\n"
     "general.sampling.penalty_last_n i32 64\n"
     "general.sampling.penalty_repeat f32 1.10000002\n"
     "general.sampling.mirostat i32 2\n"
     "general.sampling.mirostat_tau f32 5\n"
     "general.sampling.mirostat_eta f32 0.100000001\n"
     "general.name str X\n"
     "general.size_label str 1.2B\n",
     "X-1.2B-BF16.gguf"},
    {"sampling nulls and bools", "x", NULL, NULL,
     "{\"sequence\":\"\",\"mirostat\":true,\"temperature\":true,\"top_k\":null,\"min_p\":Infinity}",
     "general.sampling.min_p f32 inf\n"
     "general.sampling.temp f32 1\n"
     "general.sampling.mirostat i32 1\n"
     "general.name str X\n"
     "general.size_label str 1.2B\n",
     "X-1.2B-BF16.gguf"},
};

#endif
